"""A helper that is killed: what it has made stays, the next one finds it again, and what was half made goes."""

from __future__ import annotations

import queue
import socket
import time
from pathlib import Path

from callboard.runtime.helpers.wire import Done
from callboard.runtime.network.facts import NetworkAgain
from callboard.runtime.network.messages import NetworkFailed, NodeNetwork, PodNetwork, RulesApplied
from tests.runtime.network.conftest import with_pod
from tests.runtime.network.world import LIMIT_S, Server, World, asked, connected, state_of, talk


def test_networks_and_connections_outlive_the_helper(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    with_pod(world, "n1", 1)
    before = state_of(world.driver)
    with (
        Server(world.driver, "pod/n1-pod", "0.0.0.0", 80) as server,
        connected(world.driver, "pod/n0-pod", "10.244.2.2", 80) as client,
        server.accept() as accepted,
    ):
        world.kill_helper()
        talk(client, accepted)
        assert state_of(world.driver) == before
        assert world.links("node-n0") == ["lo", "eth0", "v2"]
        talk(client, accepted)
        with_pod(world, "n2", 2)
        with connected(world.driver, "pod/n2-pod", "10.244.2.2", 80) as third, server.accept() as accepted_third:
            talk(third, accepted_third)
        asked(world.driver.remove_pod, "n0-pod")
        asked(world.driver.remove_node, "n2")
        world.until(lambda: world.links("node-n0") == ["lo", "eth0"])
    assert world.spaces() == ["node-n0", "node-n1", "pod-n1-pod"]


def test_another_main_program_finds_what_one_before_it_had_made(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    with Server(world.driver, "pod/n0-pod", "0.0.0.0", 80) as server:
        with socket.create_server(("127.0.0.1", 0)) as sock:
            place = sock.getsockname()
            asked(world.driver.listen_outside, "web", sock, "n0", "10.244.1.2", 80)
        asked(world.driver.cut, "n0")
        world.driver.close()
        driver = world.connect()
        state = state_of(driver)
        assert [node.node for node in state.nodes] == ["n0"]
        assert [(pod.uid, pod.ip) for pod in state.pods] == [("n0-pod", "10.244.1.2")]
        assert [(way.key, way.host_port) for way in state.outside] == [("web", place[1])]
        assert isinstance(asked(driver.ensure_node, "n0", 0), NodeNetwork)
        assert isinstance(asked(driver.ensure_pod, "n0-pod", "n0", "10.244.1.2"), PodNetwork)
        with connected(driver, "edge", "10.244.1.2", 80) as client, server.accept() as accepted:
            talk(client, accepted)  # the cut was the other program's
        asked(driver.listen_outside, "web", None, "n0", "10.244.1.2", 80)
        world.kill_helper()
        state_of(driver)
        with socket.create_connection(place, LIMIT_S) as client, server.accept() as accepted:
            talk(client, accepted)
        asked(driver.close_outside, "web")


def test_ways_in_and_cuts_are_said_anew_and_whoever_gave_rules_is_told(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    with_pod(world, "n1", 1)
    again: queue.SimpleQueue[str] = queue.SimpleQueue()
    world.driver.on_again(lambda: again.put("again"))
    assert world.told.get(timeout=LIMIT_S) == NetworkAgain()
    with socket.create_server(("127.0.0.1", 0)) as sock, Server(world.driver, "pod/n1-pod", "0.0.0.0", 80) as server:
        asked(world.driver.listen_outside, "web", sock, "n0", "10.244.2.2", 80)
        asked(world.driver.cut, "n0", ("n1",))
        world.kill_helper()
        assert again.get(timeout=LIMIT_S) == "again"
        assert world.told.get(timeout=LIMIT_S) == NetworkAgain()
        state_of(world.driver)
        assert asked(world.driver.cut, "n0", ("edge",)) == Done()
        with connected(world.driver, "edge", "10.244.2.2", 80) as client, server.accept() as accepted:
            talk(client, accepted)
        for where in ("pod/n0-pod", "edge"):
            try:
                connected(world.driver, where, "10.244.2.2" if where != "edge" else "10.244.1.2", 80, 0.2).close()
            except TimeoutError:
                continue
            raise AssertionError(f"{where} is not cut off")
        asked(world.driver.heal, "n0")
        with socket.create_connection(sock.getsockname(), LIMIT_S) as client, server.accept() as accepted:
            talk(client, accepted)
        asked(world.driver.close_outside, "web")


def test_what_was_half_made_goes_and_can_be_made_wholly(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    helper = world.helper_process()
    helper.suspend()
    world.driver.ensure_pod("late", "n0", "10.244.1.9", lambda _answer: None)
    folder = str(world.netns_folder)
    # A namespace without a link, a link without an owner, a file where nothing is bound, a pod whose namespace is no more.
    world.run_in("", "touch", f"{folder}/pod-file", f"{folder}/pod-space")
    world.run_in("", "unshare", f"--net={folder}/pod-space", "true")
    world.run_in("node-n0", "ip", "link", "add", "v77", "type", "veth", "peer", "name", "v78")
    world.run_in("node-n0", "ip", "link", "set", "v78", "alias", "nobody")
    world.run_in("", "ip", "link", "add", "n200", "type", "veth", "peer", "name", "n201")
    helper.kill()
    helper.wait(LIMIT_S)
    assert state_of(world.driver).pods[0].uid == "n0-pod"
    assert isinstance(asked(world.driver.ensure_pod, "late", "n0", "10.244.1.9"), PodNetwork)
    assert world.spaces() == ["node-n0", "pod-late", "pod-n0-pod"]
    assert sorted(world.links("node-n0")) == ["eth0", "lo", "v2", "v9"]
    assert sorted(world.links()) == ["fab0", "lo", "n1"]
    for uid, ip in (("space", "10.244.1.77"), ("file", "10.244.1.78")):
        assert isinstance(asked(world.driver.ensure_pod, uid, "n0", ip), PodNetwork)


def test_who_asks_while_the_helper_is_away_gets_an_answer(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()
    world.kill_helper()
    for number in range(3, 40):
        world.driver.ensure_pod(f"p{number}", "n0", f"10.244.1.{number}", answers.put)
        if number % 5 == 0:
            world.driver.apply_rules("n0", f"table ip t{number}\n", answers.put)
    expected = 37 + 7
    heard = [answers.get(timeout=LIMIT_S) for _ in range(expected)]
    assert all(isinstance(answer, PodNetwork | RulesApplied | NetworkFailed) for answer in heard)
    # Those that were lost on the way are ensured all the same: they are remembered.
    world.until(lambda: len(state_of(world.driver).pods) == 38)


def test_removals_that_were_lost_with_the_helper_are_asked_for_again(own_world: World) -> None:
    world = own_world
    for index in range(3):
        with_pod(world, f"n{index}", index)
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()
    helper = world.helper_process()
    helper.suspend()
    world.driver.remove_pod("n0-pod", answers.put)
    world.driver.crash_node("n1", answers.put)
    time.sleep(0.1)  # so that they are on their way and are lost; if they were not, nothing would be tried here
    helper.kill()
    assert all(isinstance(answers.get(timeout=LIMIT_S), NetworkFailed) for _ in range(2))
    world.until(lambda: world.spaces() == ["node-n0", "node-n2", "pod-n2-pod"])
    state = state_of(world.driver)
    assert sorted(node.node for node in state.nodes) == ["n0", "n2"]
    assert [pod.uid for pod in state.pods] == ["n2-pod"]


def test_nothing_is_left_once_the_cell_has_ended(own_world: World) -> None:
    world = own_world
    with_pod(world, "n0", 0)
    world.end()
    assert list(world.netns_folder.iterdir()) == []  # what was bound there was bound inside only
    assert str(world.netns_folder) not in Path("/proc/self/mountinfo").read_text()
