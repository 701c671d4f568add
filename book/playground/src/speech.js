// Norms and digits in words, for the eye and for the ear.
import { told } from "./pictures.js";

export const aDigit = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

export const shown = (norm, infinity = "∞") => (norm === Infinity ? infinity : told(norm));

/** The norm of an attack's budget beside a number: "l2", "l∞", "standard deviation". `p` is that of Eq. (3). */
export const written = (norm, p) =>
  norm === "deviation" ? "standard deviation" : `l${shown(norm === "p" ? p : (norm ?? 2))}`;

/** The same for a screen reader. */
export const spoken = (norm, p) =>
  norm === "deviation" ? "standard deviation" : `l${shown(norm === "p" ? p : (norm ?? 2), "-infinity")} norm`;
