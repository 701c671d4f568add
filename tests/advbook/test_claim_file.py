"""What a claim file must not say."""

import pytest
import yaml
from claim_records import CLAIM

from advbook import claim_file

GOOD = {
    "id": "a",
    "where": "Table 1",
    "claim": "It holds.",
    "paper": {},
    "metric": "error",
    "tolerance": "none",
    "values": CLAIM["values"],
    "rule": CLAIM["rule"],
}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"metrik": "x"}, "claim a: .*metrik"),
        ({"rule": None}, "claim a: it needs `rule`"),
        ({"rule": []}, "claim a: it needs `rule`"),
        ({"reproduced": "plain < 1"}, "claim a: .*not both"),
        ({"rule": None, "reproduced": 3}, r"claim a: .*\$.reproduced"),
        ({"rule": "plain < 1"}, r"claim a: .*\$.rule"),
        ({"rule": [{"efect": "plain"}]}, "claim a: rule: .*one of the keys effect, ratio, value, equal, median"),
        ({"rule": [{"effect": "plain", "whithin": 1}]}, "claim a: rule: part 'plain': .*whithin"),
        ({"rule": [{"effect": "plain", "trend": "anny"}]}, "claim a: rule: part 'plain': .*anny"),
        ({"rule": [{"effect": "plain -"}]}, "claim a: rule: expression 'plain -' cannot be read"),
        ({"rule": [{"effect": "plain < 1"}]}, "claim a: rule: expression .* may use values, numbers"),
        ({"rule": [{"effect": "other"}]}, "claim a: rule: other is no value"),
        ({"or": [[{"effect": "other"}]]}, "claim a: or: other is no value"),
        ({"rule": None, "reproduced": "plain < 1", "or": [[{"effect": "plain"}]]}, "claim a: or: it stands beside"),
        ({"rule": [{"effect": "plain", "within": 1}]}, "claim a: rule: .*`within` and no `paper`"),
        ({"rule": [{"ratio": "plain"}]}, "claim a: rule: .*no quotient"),
        ({"premise": "plain < 1"}, "claim a: premise"),
        ({"scope": "theirs"}, "claim a: .*theirs"),
        ({"values": {"plain": {"from": "net", "tak": "error"}}}, r"claim a: .*values"),
        ({"level": 0.1}, "claim a: level"),
        ({"units": "three"}, "claim a: units"),
    ],
)
def test_a_claim_file_that_is_wrong_is_refused_in_one_line(tmp_path, change, message):
    path = tmp_path / "c" / "claims.yml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump([GOOD]))
    assert claim_file.read(path)[0]["id"] == "a"
    path.write_text(yaml.safe_dump([{name: value for name, value in (GOOD | change).items() if value is not None}]))
    with pytest.raises(ValueError, match=f"^c/claims.yml: {message}") as error:
        claim_file.read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "has no claims"),
        ("- id: [", "is no YAML"),
        (yaml.safe_dump([GOOD, GOOD]), "claim a: id: there are two"),
        ("- just words", "claim number 1"),
    ],
)
def test_a_file_without_claims_or_with_one_twice_is_refused(tmp_path, text, message):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        claim_file.read(path)
