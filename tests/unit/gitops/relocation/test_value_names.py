"""What value files of many folders are called in one."""

from hypothesis import given
from hypothesis import strategies as st

from shipway.gitops.relocation.value_names import Reader, value_names


def test_each_environment_has_its_own_and_the_others_say_where_they_lay() -> None:
    readers = [
        Reader("staging", ("values/global.yaml", "values/staging/global.yaml", "apps/web/values-staging.yaml")),
        Reader("production", ("values/global.yaml", "values/production/global.yaml", "apps/web/values-production.yml")),
    ]
    assert value_names(readers, {"values.yaml"}) == {
        "values/global.yaml": "values-global.yaml",
        "values/staging/global.yaml": "values-global-staging.yaml",
        "values/production/global.yaml": "values-global-production.yaml",
        "apps/web/values-staging.yaml": "values-staging.yaml",
        "apps/web/values-production.yml": "values-production.yml",
    }


def test_what_would_be_called_alike_is_told_apart() -> None:
    readers = [
        Reader("staging", ("a/base.yaml", "b/base.yaml", "values.yaml")),
        Reader("production", ("a/base.yaml", "b/base.yaml")),
    ]
    assert value_names(readers, {"values-staging.yaml", "values-base.yaml"}) == {
        "a/base.yaml": "values-a-base.yaml",
        "b/base.yaml": "values-b-base.yaml",
        "values.yaml": "values-staging-2.yaml",
    }


def test_one_environment_alone_is_not_named_twice() -> None:
    assert value_names([Reader("default", ("global.yaml", "apps/web/values.yaml"))], ()) == {
        "global.yaml": "values-global.yaml",
        "apps/web/values.yaml": "values-default.yaml",
    }


PARTS = st.sampled_from(["values", "web", "global", "staging", "prod", "values-staging", "values-global"])
FILES = st.lists(st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".yaml"), max_size=5, unique=True)


@given(st.lists(st.builds(Reader, st.sampled_from(["staging", "prod"]), FILES.map(tuple)), max_size=3), st.booleans())
def test_every_file_has_one_name_of_its_own(readers: list[Reader], is_taken: bool) -> None:
    taken = {"values.yaml", "values-staging.yaml"} if is_taken else set[str]()
    names = value_names(readers, taken)
    assert set(names) == {file for reader in readers for file in reader.files}
    assert len(set(names.values())) == len(names)
    assert not taken & set(names.values())
    assert all(name.startswith("values-") and "/" not in name for name in names.values())
    assert names == value_names(readers, taken)
