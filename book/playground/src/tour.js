// The guided tour: six steps, each a state of the page and the claims of the book that it is about. A test makes what
// the texts say of answers happen.

const CLIP = { name: "clip", words: "keep pixels between black and white" },
  SMOOTH = { name: "smooth", words: "smooth the perturbation like the image" };

export const STEPS = [
  {
    title: "A sure digit hardly minds a small step",
    text:
      "Eq. (3) moves each pixel a little along the gradient of the loss. At a length of 1 this 0 stays a 0 for " +
      "both networks. The paper says that sure digits are clear and correct even at 10: move the budget and " +
      "see, then read the card.",
    state: {
      digit: 0,
      left: "sigmoid",
      right: "sigmoid-p2",
      attack: "step",
      q: 0.5,
      budget: 1,
      clip: false,
      smooth: false,
    },
    claims: { "gr-theory-confident-clear": "do sure digits stay clear at 10?" },
  },
  {
    title: "A 2 becomes a 7",
    text:
      "A step of length 4, on a 2 that the regularised network, the second one, is less sure of: its second " +
      "choice is a 7, and a 7 it becomes. Pixels are kept between black and white here, which makes the way " +
      "shorter. The paper does not do that. Untick the box “keep pixels between black and white”: it stays a 7. " +
      "At length 10 it is a 7 with the box ticked, and a 4 without.",
    box: CLIP,
    state: {
      digit: 12,
      left: "sigmoid",
      right: "sigmoid-p2",
      attack: "step",
      q: 0.5,
      budget: 4,
      clip: true,
      smooth: false,
    },
    claims: { "gr-theory-morph": "do digits turn into their runner-up at 10?" },
  },
  {
    title: "p = ∞ and p = 2 look different",
    text:
      "One formula, all norms. At p = ∞ every pixel moves by the same amount, which is FGSM. Move p: at 2 " +
      "strokes appear, towards 1 a few pixels take all. The two-dimensional panel at the end of the page shows " +
      "why.",
    state: {
      digit: 12,
      left: "sigmoid",
      right: "sigmoid-p2",
      attack: "step",
      q: 0,
      budget: 0.1,
      clip: true,
      smooth: false,
    },
    claims: {
      "gr-theory-eq3": "Eq. (3) is right for every p",
      "gr-theory-special-cases": "FGSM and a one-pixel step are its limits",
    },
  },
  {
    title: "The regularised network needs more",
    text:
      "DeepFool looks for the smallest change that fools. Compare the l2 lengths of the two networks. The second " +
      "was trained on perturbations of length 1. It needs more for most of the twenty digits, not for all.",
    compared: ["sigmoid", "sigmoid-p2"],
    state: { digit: 4, left: "sigmoid", right: "sigmoid-p2", attack: "deepfool", smooth: false },
    claims: {
      "gr-pgd-fewer": "fewer errors under PGD, for maxout networks",
      "gr-robust-pgd": "are such networks highly robust?",
    },
  },
  {
    title: "One perturbation for every digit",
    text:
      "This perturbation knows neither the digit nor which of the six networks it will meet: Kühne and Tödtli's " +
      "Algorithm 2 made it for all of them. Choose other digits and networks; each panel says how often it " +
      "works.",
    state: {
      digit: 9,
      left: "sigmoid",
      right: "sigmoid-p2",
      attack: "universal",
      budget: 0.3,
      clip: true,
      smooth: false,
    },
    claims: { "up-transfer": "do such perturbations work on other networks?" },
  },
  {
    title: "Smooth is not invisible to a network",
    text:
      "Smoothed along the image's own edges, a perturbation looks less like noise. It still turns the 7 into a 3 " +
      "for the first network. The second still reads a 7: on flat images like these it needs to be longer. " +
      "Untick the box “smooth the perturbation like the image”: now both read a 3.",
    box: SMOOTH,
    state: { digit: 7, left: "thesis-S", right: "sigmoid-p2", attack: "pgd2", budget: 3, smooth: true, alpha: 0.95 },
    claims: {
      "sm-t1-mnist-spgd2": "how often smoothed PGD succeeds on MNIST",
      "sm-mnist-spgd2-spoiled-coded": "how much longer smoothing makes it",
    },
  },
];

/** What to do after the last step. */
export const NEXT = (book) =>
  `What next: leave the tour and press <em>Draw</em> to fool a digit of your own, open the frames below the panels, or
  read <a href="${book}book/scoreboard.html">all claims and verdicts</a>.`;
