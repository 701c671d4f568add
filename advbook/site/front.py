"""The photograph of the front page: one still for each budget, and a slider over them."""

from __future__ import annotations

import html
import io
import json

import numpy as np

from advbook import ledger

FOLDER = "pictures/front-page"
SHOWN = 2  # the budget of the still


def record() -> ledger.Record:
    """The one record that the front page shows; :class:`advbook.ledger.MissingRecord` says how to make it."""
    found = ledger.survey("standard", "front-page", "one_step")[0]
    if len(found) != 1:
        raise ledger.MissingRecord(
            f"results/standard/front-page/one_step has {len(found)} whole records, the front page shows one; "
            "run `python -m advbook.chapters.front_page.photograph`"
        )
    return found[0]


def stills() -> dict[str, bytes]:
    """File name -> WebP of what the network sees at each budget, in the 256 levels of a screen."""
    from PIL import Image

    found, files = record(), {}
    image, step = found.arrays["image"].astype(float), found.arrays["step"].astype(float)
    for number, budget in enumerate(found.parameters["budgets"]):
        pixels = np.clip(image + budget * step, 0, 255).round().astype(np.uint8).transpose(1, 2, 0)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "webp", quality=90, method=6)
        files[f"{number}.webp"] = buffer.getvalue()
    return files


def photograph() -> str:
    """The slider, which is a still with its answer where there is no script."""
    found = record()
    budgets, answers = found.parameters["budgets"], found.values["answers"]
    start = budgets.index(SHOWN)
    first, then = answers[0][0], answers[start][0]
    words = [_words(budget, answer[0]) for budget, answer in zip(budgets, answers, strict=True)]
    data = html.escape(json.dumps({"words": words, "right": [a[0][0] == first[0] for a in answers]}), quote=True)
    size = found.arrays["image"].shape[-1]
    alt = (
        f"A cup of coffee on a table. Unchanged, the network sees {first[0]} ({first[1]:.0%}); "
        f"with each pixel moved by {SHOWN}/255 it sees {then[0]} ({then[1]:.0%}), and the picture looks the same."
    )
    return (
        f'<figure class="attack" data-attack="{data}">'
        f'<div class="attack-pictures"><img src="../{FOLDER}/0.webp" width="{size}" height="{size}" '
        f'alt="The photograph as it is">'
        f'<img class="attacked" src="../{FOLDER}/{start}.webp" width="{size}" height="{size}" '
        f'alt="{html.escape(alt, quote=True)}"></div>'
        f'<label class="attack-slider" hidden>Largest change of a pixel '
        f'<input type="range" min="0" max="{len(budgets) - 1}" value="{start}" step="1"></label>'
        f"<figcaption><p>Left: “{first[0]}”, {first[1]:.0%}. Right: <output>{words[start]}</output></p>"
        f"<p>One gradient step against {found.parameters['network'].replace('_', ' ')}, recorded; scikit-image’s "
        "photograph of a coffee cup. Below 1/255 the screen shows the nearest of its 256 levels.</p></figcaption>"
        "</figure>\n"
        '<script defer src="../_static/attack.js"></script>'
    )


def _words(budget: float, answer: list) -> str:
    return f"{budget:g}/255: “{answer[0]}”, {answer[1]:.0%}"
