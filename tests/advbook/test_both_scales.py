"""A claim whose page has records of both scales."""

from pathlib import Path

from advbook import claims, paths, settings


def test_both_scales_are_judged_and_an_early_record_of_one_hides_nothing(monkeypatch):
    page = next(source for source in paths.sources() if source.stem == "1-sparsity")
    name = next(claim["id"] for claim in claims.load("claims", page.parent.name) if "rule" in claim)
    real = claims.ledger.survey("standard", page.parent.name)
    monkeypatch.setattr(claims.ledger, "survey", lambda profile, chapter: evidence[profile])
    evidence = {"standard": real, "paper": ([], [])}
    own = settings.of_page(page)["paper"]
    before = next(claim for claim in claims._evaluate(page.parent.name, [page]) if claim["id"] == name)
    again = [Copy(record, epochs=own["epochs"]) for record in real[0]]
    evidence["paper"] = ([record for record in again if record.parameters.get("seed") == 0], [])
    early = next(claim for claim in claims._evaluate(page.parent.name, [page]) if claim["id"] == name)
    assert early["verdict"] == before["verdict"] and early["profile"] == "standard"
    evidence["paper"] = (again, [])
    both = next(claim for claim in claims._evaluate(page.parent.name, [page]) if claim["id"] == name)
    assert both["profile"] == "paper" and both["scales"]["standard"] == both["scales"]["paper"] == before["verdict"]


class Copy:
    """A record under other parameters."""

    def __init__(self, record, **parameters):
        self.name, self.values, self.provenance = record.name, record.values, record.provenance
        self.parameters, self.path = record.parameters | parameters, Path("paper") / record.path.name
