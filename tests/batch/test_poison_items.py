"""Which unit is to blame for the deaths of workers."""

from __future__ import annotations

from nbcopilot.batch.poison_items import PATIENT_STRIKES, STRIKES, SURVIVORS, Blame


def test_a_unit_that_two_workers_died_of_is_guilty_and_its_neighbours_are_not() -> None:
    blame = Blame()
    for other in ("a", "b"):
        blame.died(["eater", other])
    assert STRIKES == 2 and blame.is_guilty("eater") and blame.deaths("eater") == 2
    assert not blame.is_guilty("a") and not blame.is_guilty("b")


def test_where_units_survive_the_death_of_their_worker_two_deaths_prove_nothing_and_six_do() -> None:
    blame = Blame()
    for name in map(str, range(SURVIVORS)):
        blame.died([name])
        blame.settled(name, finished=True)
    for deaths in range(1, PATIENT_STRIKES + 1):
        blame.died(["unlucky"])
        assert blame.is_guilty("unlucky") == (deaths == PATIENT_STRIKES)


def test_who_shared_a_worker_with_an_eater_and_finished_is_no_proof_that_workers_die_of_other_things() -> None:
    blame = Blame()
    for name in map(str, range(10)):
        blame.died(["eater", name])
        blame.settled(name, finished=True)
    assert blame.is_guilty("eater")


def test_what_was_set_aside_is_forgotten_and_does_not_count_as_survived() -> None:
    blame = Blame()
    for name in map(str, range(10)):
        blame.died([name])
        blame.died([name])
        assert blame.is_guilty(name), "ten eaters are ten eaters"
        blame.settled(name, finished=False)
        assert blame.deaths(name) == 0


def test_a_unit_that_dies_before_it_can_say_so_is_given_up_too() -> None:
    blame = Blame()
    for _ in range(STRIKES):
        blame.given_up("segfault")
    assert blame.is_guilty("segfault")
