"""The crowd: who there is, who does what when, when it is calm, how it goes."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from soak import views
from soak.acts import ACTS, host_closes, host_kicks
from soak.agenda import Agenda, Tasks
from soak.guest import Goodbye, Guest, Phase
from soak.place import Place
from soak.plan import HEARTBEAT_INTERVAL_S, PATIENCE_S, Plan
from soak.real_client import RealClient
from soak.rival import Rival
from soak.tally import Tally
from soak.venue import Venue

_TURN_S: Final = 0.01
_MAX_ACTS_A_TURN: Final = 10
"""On a slow machine less happens; nothing piles up."""

_BEAT_SLICES: Final = 50
"""Heartbeats are spread evenly over their interval."""

_HOST_ACTS: Final = 0.05
"""The part of all acts that hosts do as hosts."""

_KICKS: Final = 0.85
"""The part of those that are kicks; the rest closes the session."""

_CALM_WITHIN_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.5


class Crowd:
    """Everybody on the guests' side of a run.

    Attributes:
        is_calm: Nobody does anything new; who is away comes back.
        is_over: Nobody comes any more.
    """

    def __init__(self, plan: Plan, venues: Sequence[Venue], tally: Tally) -> None:
        self.tally = tally
        self.agenda = Agenda()
        self.tasks = Tasks(tally)
        self.random = random.Random(plan.seed)
        self.rivals: set[Rival] = set()
        self.is_calm = False
        self.is_over = False
        self.places = [
            Place(
                number,
                venues[number % len(venues)],
                size,
                is_remote=number // len(venues) % 2 == 1,
                tasks=self.tasks,
                tally=tally,
            )
            for number, size in enumerate(plan.sizes())
        ]
        self._plan = plan
        self._venues = venues
        self._guests: dict[int, list[Guest]] = {}
        self._hosts: dict[int, Guest] = {}
        self._clients: dict[int, list[RealClient]] = {}
        self._fill_places()
        self._everybody = [each for guests in self._guests.values() for each in guests]
        self._act_debt = 0.0
        self._turned_s = time.monotonic()
        self._slice = 0

    def _fill_places(self) -> None:
        """Give every place its guests: real clients first, a host where remote."""
        number = 0
        clients_left = self._plan.real_clients
        for place in self.places:
            guests = self._guests[place.number] = []
            clients = self._clients[place.number] = []
            for at in range(place.size):
                number += 1
                if at == 0 and place.is_remote:
                    host = Guest(number, place, self, is_host=True)
                    self._hosts[place.number] = host
                    guests.append(host)
                elif at == 1 and clients_left > 0:
                    clients_left -= 1
                    clients.append(RealClient(number, place, self))
                else:
                    guests.append(Guest(number, place, self))

    def guests_at(self, place: Place) -> list[Guest]:
        """Return the guests of a place, its remote host included."""
        return self._guests[place.number]

    def clients_at(self, place: Place) -> list[RealClient]:
        """Return the real Python clients of a place."""
        return self._clients[place.number]

    @property
    def clients(self) -> list[RealClient]:
        """Every real Python client."""
        return [each for clients in self._clients.values() for each in clients]

    # --- Phases of a run ----------------------------------------------------

    async def arrive(self) -> None:
        """Open every session and send everybody on the way."""
        for place in self.places:
            await place.open()
        for guest in self._everybody:
            guest.come_in(self.random.uniform(0.0, self._plan.ramp_s))
        for client in self.clients:
            self.tasks.spawn(client.live())
        self._turned_s = time.monotonic()

    async def bustle(self, seconds: float) -> None:
        """Come and go at random for so long."""
        self.is_calm = False
        until_s = time.monotonic() + seconds
        await self._turn_until(lambda: time.monotonic() >= until_s)

    async def calm_down(self) -> list[str]:
        """Let everybody come back; return how views differ when all is quiet."""
        self.is_calm = True
        self.agenda.hurry(_CALM_WITHIN_S)
        for guest in self._everybody:
            guest.wake()
        told: list[str] = []
        compared = 0
        looked_s = 0.0

        def all_agree() -> bool:
            nonlocal told, compared, looked_s
            if time.monotonic() - looked_s < _LOOK_EVERY_S:
                return False
            told = self._unsettled()
            if not told:
                compared, told = views.compare(self)
            looked_s = time.monotonic()
            return not told

        await self._turn_until(all_agree, PATIENCE_S)
        self.tally.views_compared += compared
        self.tally.views_differing += len(told)
        return told

    async def go(self) -> list[str]:
        """Let everybody leave, or be sent home; return what does not add up.

        At half of the places each guest leaves, and the seats that are freed
        are counted; then every session is closed, which ends the others.
        """
        self.is_over = True
        self.agenda.clear()
        leaving = [place for place in self.places if place.number // 4 % 2 == 0]
        wrong = await self._leave(leaving)
        for place in self.places:
            self.tasks.spawn(place.close())
        await self._turn_until(self._is_empty, PATIENCE_S)
        wrong += [
            f"guest {guest.number} is still {guest.phase.value}"
            for guest in self._everybody
            if guest.phase is not Phase.AWAY or guest.ghosts
        ]
        await self.tasks.stop()
        return wrong

    # --- One turn after another ---------------------------------------------

    async def _turn_until(
        self, is_enough: Callable[[], bool], patience_s: float = float("inf")
    ) -> None:
        until_s = time.monotonic() + patience_s
        while not is_enough() and time.monotonic() < until_s:
            self._turn()
            await asyncio.sleep(_TURN_S)

    def _turn(self) -> None:
        now_s = time.monotonic()
        elapsed_s, self._turned_s = now_s - self._turned_s, now_s
        members = sum(venue.server.stats.members for venue in self._venues)
        self.tally.peak_members = max(self.tally.peak_members, members)
        self.agenda.work_off()
        self._beat(now_s)
        for place in self.places:
            if not self.is_over and (place.party is None or place.party.is_closed):
                self.tasks.spawn(place.open())
        if not self.is_calm and not self.is_over:
            rate = len(self._everybody) / self._plan.act_interval_s
            self._act_debt = min(self._act_debt + elapsed_s * rate, _MAX_ACTS_A_TURN)
            while self._act_debt >= 1:
                self._act_debt -= 1
                self._act()

    def _beat(self, now_s: float) -> None:
        now = int(now_s / HEARTBEAT_INTERVAL_S * _BEAT_SLICES)
        for at in range(max(self._slice + 1, now - _BEAT_SLICES + 1), now + 1):
            for guest in self._everybody[at % _BEAT_SLICES :: _BEAT_SLICES]:
                guest.beat()
        self._slice = now

    def _act(self) -> None:
        if self.random.random() < _HOST_ACTS:
            self._act_as_host(self.random.choice(self.places))
        elif self.random.random() * len(self._everybody) < len(self.clients):
            self._act_as_client(self.random.choice(self.clients))
        else:
            self._act_as_guest(self.random.choice(self._everybody))

    def _act_as_guest(self, guest: Guest) -> None:
        if guest.goodbye is Goodbye.NONE and guest.is_settled:
            (act,) = self.random.choices(ACTS, _WEIGHTS)
            self.tally.acts[act.name] += 1
            act.do(guest, self)

    def _act_as_client(self, client: RealClient) -> None:
        if not client.is_in or client.is_cut:
            return
        if self.random.random() < 0.7:
            self.tally.acts["client: network breaks"] += 1
            self.tasks.spawn(client.break_network())
        else:
            self.tally.acts["client: leave"] += 1
            self.tasks.spawn(client.leave())

    def _act_as_host(self, place: Place) -> None:
        host = self._hosts.get(place.number)
        by_message = host is not None and host.is_settled and self.random.random() < 0.5
        how = (
            "a message" if by_message else "HTTP" if host is not None else "the program"
        )
        if self.random.random() < _KICKS:
            victim = self.random.choice(self.guests_at(place))
            if victim.is_host or victim.seat is None:
                return
            self.tally.acts[f"host kicks by {how}"] += 1
            if host is not None and by_message:
                host_kicks(host, victim)
            else:
                self.tasks.spawn(place.kick(victim.seat.member_id))
        else:
            self.tally.acts[f"host closes by {how}"] += 1
            if host is not None and by_message:
                host_closes(host)
            else:
                self.tasks.spawn(place.close())

    # --- Being calm, being gone ---------------------------------------------

    def _unsettled(self) -> list[str]:
        told = [
            f"guest {guest.number} is {guest.phase.value}, ghosts: {len(guest.ghosts)}"
            for guest in self._everybody
            if not guest.is_settled
        ]
        told += [
            f"client at {client.place.session_id} is not in"
            for client in self.clients
            if not client.is_in or client.is_cut
        ]
        return told + [f"{len(self.rivals)} rivals are left"] * bool(self.rivals)

    async def _leave(self, places: list[Place]) -> list[str]:
        """Let every guest but the hosts leave; return what does not add up."""
        leaving = [
            guest
            for place in places
            for guest in self.guests_at(place)
            if not guest.is_host
        ]
        clients = [client for place in places for client in self.clients_at(place)]
        servers = {place.venue.server for place in places}
        freed = -sum(sum(server.stats.leaves.values()) for server in servers)
        for guest in leaving:
            guest.leave()
        for client in clients:
            await client.leave()
        await self._turn_until(
            lambda: (
                all(guest.phase is Phase.AWAY for guest in leaving)
                and not any(client.is_in for client in clients)
            ),
            PATIENCE_S,
        )
        freed += sum(sum(server.stats.leaves.values()) for server in servers)
        expected = len(leaving) + len(clients)
        self.tally.events["left at the end"] += expected
        if freed == expected:
            return []
        return [f"{expected} guests left, {freed} seats were freed"]

    def _is_empty(self) -> bool:
        return (
            not self.tasks
            and all(guest.phase is Phase.AWAY for guest in self._everybody)
            and not any(
                place.venue.server.sessions() or place.venue.server.connection_count
                for place in self.places
            )
        )


_WEIGHTS = [act.weight for act in ACTS]
