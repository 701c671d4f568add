"""Every claim finds its records among what the pages of its chapter ask for, under each profile that is judged."""

import plans
import pytest

from advbook import claims, paths, settings, units

CHOSEN = "the page asks for the convention that fits best, which only results tell"
BENCH = "`make bench` makes the records, and the page shows those that are there"
LARGER = "the profile counts at 1,000 pixels, and these claims are on 256"
PARTED = "groups of images have other sizes for C&W than for the other attacks"
NEVER = {  # (profile, claim): why no page of the profile asks for as much
    ("standard", "sm-t2-inception"): "not run, the network is not there",
    ("standard", "sm-t3-adversarial"): "not run, the network is not there",
    ("paper", "sm-t1-natural-first"): PARTED,
    ("paper", "sm-t1-natural-second"): PARTED,
    ("paper", "sm-in-pgd2-beats-cw"): PARTED,
    ("standard", "gr-t2-sigma-inf"): "cut from the profile for its cost",
    ("standard", "gr-conv-mask"): "cut from the profile for its cost",
    ("standard", "gr-best-norm-scan"): "cut from the profile for its cost",
    **{(profile, f"gr-noise-{name}"): CHOSEN for profile in claims.JUDGED for name in ("fit-01", "fit-03", "rare")},
    **{(profile, f"rd-{name}"): BENCH for profile in claims.JUDGED for name in ("half-the-pairs", "memory", "speed")},
    **{
        ("paper", f"rc-{name}-256"): LARGER for name in ("half", "between", "tweaks", "baseline", "baseline-rectifiers")
    },
}
PAGES = paths.notebooks()


def asked(chapter, profile):
    found = [each for page in PAGES if page.parent.name == chapter for each in plans.asked(page, profile)]
    return list({each.path: each for each in found}.values())  # two pages may ask for the same


def page_of(claim):
    return next((page for page in PAGES if f'"{claim["id"]}"' in page.read_text()), None)


def lacking(claim, profile, records):
    """The values of a claim that would have fewer units than planned, with how many; what is wrong in words."""
    own = settings.of_page(page_of(claim))[profile]
    wanted = settings.resolved(claim.get("units", 1), own, claim["id"])
    selections = {name: one for name, one in claim["values"].items() if isinstance(one, dict)}
    found = {}
    for name, selection in settings.resolved(selections, own, claim["id"]).items():
        if "rule" in claim:
            selection = {key: one for key, one in selection.items() if key != "bits"}
            number = len(units.value(name, selection, records).numbers)
        else:
            number = len(claims.select(selection, records))
        if number < wanted:
            found[name] = number
    return found


@pytest.mark.parametrize("profile", claims.JUDGED)
@pytest.mark.parametrize("chapter", [name for name in paths.chapters() if claims.load("claims", name)])
def test_every_claim_finds_as_many_units_as_it_plans_in_what_its_pages_ask_for(chapter, profile):
    records = asked(chapter, profile)
    mistakes: dict[str, object] = {}
    for claim in claims.load("claims", chapter):
        pinned = profile == "paper" and "rule" not in claim  # expressions name the standard settings
        if page_of(claim) is None or pinned:
            continue
        try:
            if few := lacking(claim, profile, records):
                mistakes[claim["id"]] = few
        except ValueError as error:
            mistakes[claim["id"]] = str(error)
    expected = {name for where, name in NEVER if where == profile} & {
        each["id"] for each in claims.load("claims", chapter)
    }
    assert set(mistakes) == expected, {name: mistakes[name] for name in set(mistakes) - expected}


def test_a_plan_is_read_without_a_measurement(tmp_path):
    page = tmp_path / "chapter" / "1-page.py"
    page.parent.mkdir()
    page.write_text(
        'profile: str = "quick"\nreplay: str = "auto"\nfrom advbook.page import Page\n'
        'page = Page("c", "1-page", globals(), settings={"quick": dict(seeds=1), "paper": dict(seeds=3)})\n'
        "def train(*, seed, rate): raise AssertionError\n"
        "made = [page.measure(train, seed=seed, rate=0.1) for seed in range(page.settings.seeds)]\n"
        "best = max(made, key=lambda record: record.values['accuracy'])\n"
        "page.measure(train, seed=best.parameters['seed'], rate=0.2)\n"
        "raise AssertionError\n"
    )
    found = plans.asked(page, "paper")
    assert [each.parameters for each in found] == [{"seed": seed, "rate": 0.1} for seed in range(3)] + [
        {"seed": 0, "rate": 0.2}
    ]
    assert len(plans.asked(page, "quick")) == 2
