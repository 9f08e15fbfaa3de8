"""Send the events of hooks in the background, and repeat those that could not be delivered.

One thread finds what is due. Each hook has at most one request at a time, in a thread of its own: a slow receiver
delays no other one. Deliveries are rows, so a restarted service continues with them; after a crash, an event may arrive
twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from generator import __version__
from generator.network.address_policy import AddressPolicy
from generator.service.hooks.payloads import Payloads
from generator.service.hooks.sending import Outcome, secrets_of, send
from generator.service.log import log
from generator.service.store.database import Row, is_unavailable
from generator.service.store.hooks import LONGEST_PAUSE, Hooks
from generator.service.store.outbox import JOB
from generator.shared.clock_watch import ClockWatch
from generator.shared.errors import UsageError
from generator.shared.passing_errors import may_pass

_PAUSES = (1.0, 5.0, 30.0, 120.0, 600.0, LONGEST_PAUSE)
"""Seconds before each new attempt."""
_AT_ONCE = 16
_LONGEST_WAIT = 30.0
_CLEANED_EVERY = 300.0


class Dispatcher:
    """Delivers the events of one project's hooks."""

    def __init__(
        self, hooks: Hooks, payloads: Payloads, policy: AddressPolicy, *, clock: ClockWatch | None = None
    ) -> None:
        """Prepare the thread; ``clock`` decides whether what is old may be removed."""
        self.hooks, self.payloads, self.policy = hooks, payloads, policy
        self._clock, self._cleaned = clock or ClockWatch(), -math.inf
        self._wake = threading.Event()
        self._stopping = False
        self._busy: set[int] = set()
        self._guard = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="hooks", daemon=True)

    def start(self) -> None:
        """Start to deliver what is due, also of an earlier service."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; the next service continues."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=5)

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._wake.set()

    def deliver(self, delivery: Row) -> Outcome:
        """Send an event once, and store the outcome without planning another attempt."""
        outcome, values = self._attempt(delivery, pauses=())
        self.hooks.update_delivery(delivery["id"], values | outcome.columns())
        return outcome

    def headers(self, hook: Row, delivery: Row, token: str) -> dict[str, str]:
        """Return the headers of an event's request."""
        kind = "Job Hook" if delivery["event"] == JOB else "Pipeline Hook"
        key = hashlib.sha256(f"{self.payloads.address} {hook['created_at']} {delivery['id']}".encode()).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": f"packmill/{__version__}",
            "X-Gitlab-Event": kind,
            "X-Gitlab-Instance": self.payloads.address,
            "X-Gitlab-Event-UUID": str(uuid.UUID(key[:32])),
            "Idempotency-Key": key,
            **({"X-Gitlab-Token": token} if token else {}),
        }

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._start_due()
                self._clean_if_due()
                wait = self._seconds_to_next()
            except Exception as error:  # noqa: BLE001 - an unavailable database must not end the thread
                log(f"hooks: {error}; retrying")
                wait = 1.0
            self._wake.wait(timeout=wait)

    def _clean_if_due(self) -> None:
        """Remove what is old, but not by a clock that was just set forward, perhaps by mistake."""
        self._clock.look()
        if self._clock.is_settled and time.monotonic() - self._cleaned > _CLEANED_EVERY:
            self._cleaned = time.monotonic()
            self.hooks.remove_old()

    def _start_due(self) -> None:
        # Before the rows are read: a request that ends meanwhile has made its row outdated, and it would be sent twice.
        with self._guard:
            busy_before = set(self._busy)
        for hook, number in self.hooks.due():
            with self._guard:
                if hook in busy_before or len(self._busy) >= _AT_ONCE or self._stopping:
                    continue
                self._busy.add(hook)
            try:
                threading.Thread(target=self._work, args=(hook, number), name=f"hook {hook}", daemon=True).start()
            except RuntimeError:  # the machine allows no more threads now
                with self._guard:
                    self._busy.discard(hook)
                raise

    def _work(self, hook: int, number: int) -> None:
        try:
            delivery = self.hooks.delivery(number)
            if delivery is not None:
                outcome, values = self._attempt(delivery, pauses=_PAUSES)
                self._store(number, values, outcome)
        except Exception as error:  # noqa: BLE001 - a full disk or an unavailable database: the row is still due
            log(f"hook {hook}: {error}; retrying")
            time.sleep(1)
        finally:
            with self._guard:
                self._busy.discard(hook)
            self._wake.set()

    def _store(self, number: int, values: Mapping[str, Any], outcome: Outcome) -> None:
        """Store an outcome, again until that is possible: the row is due, and each further look at it would send it."""
        pause, columns = 1.0, outcome.columns()
        while not self._stopping:
            try:
                self.hooks.update_delivery(number, {**values, **columns})
                return
            except Exception as error:  # noqa: BLE001 - a full disk, an unavailable database, an answer that does not fit
                log(f"delivery {number}: {error}; storing it again")
                columns = columns if may_pass(error) or is_unavailable(error) else {}
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_WAIT)

    def _seconds_to_next(self) -> float:
        with self._guard:
            busy = set(self._busy)
        following = self.hooks.next_attempt_at(without=busy)
        if following is None or len(busy) >= _AT_ONCE:  # a request that ends wakes the thread
            return _LONGEST_WAIT
        return min(max(0.05, following - time.time()), _LONGEST_WAIT)

    def _attempt(self, delivery: Row, *, pauses: tuple[float, ...]) -> tuple[Outcome, dict[str, Any]]:
        """Send an event; return the outcome, and what changes in the row with it."""
        hook = self.hooks.get(delivery["hook_id"])
        outcome = self._send(hook, delivery) if hook else Outcome(headers={}, error="the hook was deleted")
        attempts = delivery["attempts"] + 1
        again = outcome.may_succeed_later and attempts <= len(pauses)
        status = "delivered" if outcome.delivered else "pending" if again else "failed"
        pause = max(pauses[attempts - 1], outcome.requested_wait) if again else 0.0
        following = time.time() + pause
        return outcome, {"status": status, "attempts": attempts, "next_attempt_at": following}

    def _send(self, hook: Row, delivery: Row) -> Outcome:
        try:
            url, token = self.hooks.secrets(hook)
        except UsageError as error:
            return Outcome(headers={}, error=str(error))
        body = json.dumps(self.payloads.body(delivery["event"], delivery["happened"])).encode()
        outcome = send(self.policy, url, headers=self.headers(hook, delivery, token), body=body, verify=hook["verify"])
        return outcome.without(secrets_of(url, token))
