// The guided tour: six steps, each a state of the page and the claims of the book that it is about.

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
    claims: ["gr-theory-confident-clear"],
  },
  {
    title: "A 2 becomes a 7",
    text:
      "The same step at length 10, on a 2 that the regularised network (on the right) is less sure of: its " +
      "second choice is a 7, and a 7 it becomes. Pixels are kept between black and white here. The paper does " +
      "not do that: untick the box and see what it changes.",
    state: {
      digit: 12,
      left: "sigmoid",
      right: "sigmoid-p2",
      attack: "step",
      q: 0.5,
      budget: 10,
      clip: true,
      smooth: false,
    },
    claims: ["gr-theory-morph"],
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
    claims: ["gr-theory-eq3", "gr-theory-special-cases"],
  },
  {
    title: "The regularised network needs more",
    text:
      "DeepFool looks for the smallest change that fools. Compare the l2 lengths of the two networks, here and " +
      "for other digits. The second was trained on such perturbations of length 1.",
    state: { digit: 4, left: "sigmoid", right: "sigmoid-p2", attack: "deepfool", smooth: false },
    claims: ["gr-pgd-fewer", "gr-robust-pgd"],
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
    claims: ["up-transfer"],
  },
  {
    title: "Smooth is not invisible to a network",
    text:
      "Smoothed along the image's own edges, a perturbation looks less like noise. The networks still answer to " +
      "it, though on flat images like these it needs to be longer. Untick the box to compare.",
    state: { digit: 12, left: "thesis-S", right: "sigmoid-p2", attack: "pgd2", budget: 3, smooth: true, alpha: 0.95 },
    claims: ["sm-t1-mnist-spgd2", "sm-mnist-spgd2-spoiled-coded"],
  },
];
