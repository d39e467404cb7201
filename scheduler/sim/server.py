"""The in-memory API server: the requests of `scheduler.wire`, answered as kube-apiserver answers them.

Only what the scheduler, its users and the nodes need is served; everything else is refused, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from scheduler.sim import eviction, pods
from scheduler.sim.clock import Clock
from scheduler.sim.kinds import KIND, Kind, Route, route
from scheduler.sim.objects import Object, Objects, moment
from scheduler.sim.patch import merge, strategic_merge
from scheduler.sim.refusal import MODIFIED, Refused, conflict, invalid, not_found
from scheduler.sim.schema import Schemas, faults, shaped
from scheduler.sim.update import prepared
from scheduler.sim.watch import Deliver, Selector, Watch
from scheduler.wire.requests import MERGE, STRATEGIC, Request

_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes


class ApiServer:
    """`objects` may be read by whoever audits the world; writing goes through `handle` alone.

    Custom objects are held to their schema where one is given, and taken as they come where none is.
    """

    def __init__(self, clock: Clock, schemas: Schemas | None = None) -> None:
        self.clock = clock
        self._schemas = schemas or {}
        self.objects = Objects(clock)
        self._watches: list[Watch] = []
        self.on_request: list[Callable[[str, Request, Answer], None]] = []

    def handle(self, request: Request, user: str) -> Answer:
        """Answer one request of a user; a refusal is an answer too."""
        try:
            status, body = self._dispatch(route(request.path), request, user)
        except Refused as refusal:
            status, body = refusal.code, refusal.body()
        answer = Answer(status, _encode(body))
        for listener in self.on_request:
            listener(user, request, answer)
        return answer

    def watch(self, path: str, deliver: Deliver) -> Watch:
        """Open a stream; `Refused` when the real server would not have opened it. An empty line is its end."""
        opened = Watch(self.objects, route(path), deliver)
        self._watches = [each for each in self._watches if each.is_open] + [opened]
        return opened

    def bookmark(self) -> None:
        """Tell every stream that asked for it up to which version it is current."""
        for watch in self._watches:
            watch.bookmark()

    def restart(self) -> None:
        """As when the process is replaced: every stream ends, and the past can not be watched any more."""
        self.objects.forget_history()
        for watch in self._watches:
            watch.end()

    def _dispatch(self, target: Route, request: Request, user: str) -> tuple[int, Object]:
        body = msgspec.json.decode(request.body) if request.body else {}
        match request.method, target.subresource:
            case "GET", "" | "status":
                return 200, self._get(target) if target.name else self._list(target)
            case "POST", "" if not target.name:
                return 201, self._create(target, body, user)
            case "POST", "binding" if target.kind.plural == "pods":
                pod = pods.bound(target.kind, self._get(target), body, self.clock.now_seconds)
                self.objects.store(target.kind, pod, user)
                return 201, _SUCCESS
            case "POST", "eviction" if target.kind.plural == "pods":
                return 201, self._evict(target, body, user)
            case "PUT", "" | "status":
                if target.kind.custom and not body.get("metadata", {}).get("resourceVersion"):
                    why = "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
                    raise invalid(target.kind, target.name, why)
                return 200, self._update(target, body, user)
            case "PATCH", "" | "status":
                return 200, self._update(target, self._patched(target, request, body), user)
            case "DELETE", "" if target.name:
                return 200, self._delete(target.kind, self._get(target), body or {}, user)
            case _:
                message = "the server does not allow this method on the requested resource"
                raise Refused(405, "MethodNotAllowed", message)

    def _get(self, target: Route) -> Object:
        found = self.objects.find(target.kind, target.namespace, target.name)
        if found is None:
            raise not_found(target.kind, target.name)
        return found

    def _list(self, target: Route) -> Object:
        selector = Selector.parse(target.query.get("fieldSelector", ""))
        found = self.objects.all(target.kind.plural, target.namespace)
        return {
            "kind": f"{target.kind.name}List",
            "apiVersion": target.kind.api_version,
            "metadata": {"resourceVersion": str(self.objects.version)},
            "items": [each for each in found if selector.matches(each)],
        }

    def _create(self, target: Route, body: Object, user: str) -> Object:
        kind = target.kind
        given = dict(body.get("metadata", {}))
        uid = self.objects.new_uid()
        name = given.get("name") or f"{given.get('generateName', '')}{uid[3:8]}"
        stem = given.get("generateName", "").removesuffix("-")
        if not given.get("name") and not _NAME.fullmatch(stem):
            raise invalid(kind, name, f'metadata.generateName: Invalid value: "{given.get("generateName", "")}"')
        if kind.namespaced and self.objects.find(_NAMESPACES, "", target.namespace) is None:
            raise not_found(_NAMESPACES, target.namespace)
        if self.objects.find(kind, target.namespace, name) is not None:
            raise Refused(409, "AlreadyExists", f'{kind.resource} "{name}" already exists')
        meta = {key: given[key] for key in _USERS_METADATA if key in given}
        meta |= {"name": name, "uid": uid, "creationTimestamp": moment(self.clock.now_seconds), "generation": 1}
        if kind.namespaced:
            meta["namespace"] = target.namespace
        new = {**body, "kind": kind.name, "apiVersion": kind.api_version, "metadata": meta}
        if kind.plural == "pods":
            new = pods.admitted(new, self.objects)
        elif kind.status and kind.plural != "nodes":
            new.pop("status", None)  # belongs to the status subresource; nodes may bring theirs along
        return self.objects.store(kind, self._by_schema(kind, new), user)

    def _by_schema(self, kind: Kind, body: Object) -> Object:
        schema = self._schemas.get(kind.plural)
        if schema is None:
            return body
        body = shaped(body, schema)
        found = faults(body, schema)
        if found:
            raise invalid(kind, body["metadata"]["name"], "; ".join(found))
        return body

    def _patched(self, target: Route, request: Request, patch: Any) -> Object:
        current = self._get(target)
        if request.content_type == MERGE:
            patched = merge(current, patch)
        elif request.content_type == STRATEGIC and not target.kind.custom:
            patched = strategic_merge(current, patch)
        else:
            raise Refused(415, "UnsupportedMediaType", f"unsupported patch type {request.content_type}")
        result: Object = patched
        return result

    def _update(self, target: Route, proposed: Object, user: str) -> Object:
        kind, old = target.kind, self._get(target)
        given = proposed.get("metadata", {})
        name = old["metadata"]["name"]
        if given.get("resourceVersion") and given["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise conflict(kind.resource, name, MODIFIED)
        if target.kind.plural in self._schemas:
            proposed = self._by_schema(kind, {**proposed, "metadata": {**given, "name": name}})
        new = prepared(kind, old, proposed, target.subresource)
        if new == old:
            return old  # a write that changes nothing makes no new version
        meta = new["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds"):
            return self.objects.remove(kind, new, user)
        return self.objects.store(kind, new, user)

    def _delete(self, kind: Kind, old: Object, options: Object, user: str) -> Object:
        pods.check_preconditions(kind, old, options.get("preconditions") or {})
        grace = pods.grace_seconds(old, options.get("gracePeriodSeconds")) if kind.plural == "pods" else 0
        meta = old["metadata"]
        if grace == 0 and not meta.get("finalizers"):
            return self.objects.remove(kind, old, user)
        if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) <= grace:
            return old  # it is going already, and no sooner for being asked again
        meta = {
            **meta,
            "deletionTimestamp": moment(self.clock.now_seconds + grace),
            "deletionGracePeriodSeconds": grace,
        }
        return self.objects.store(kind, _next_generation({**old, "metadata": meta}), user)

    def _evict(self, target: Route, body: Object, user: str) -> Object:
        pod = self._get(target)
        options = body.get("deleteOptions") or {}
        pods.check_preconditions(target.kind, pod, options.get("preconditions") or {})
        eviction.budget_spent(self.objects, pod, user)
        if "deletionTimestamp" not in pod["metadata"]:
            pod = self.objects.store(target.kind, eviction.marked(pod, self.clock.now_seconds), user)
        # The condition has given the pod another version, so only the UID still guards the delete.
        kept = {key: value for key, value in options.items() if key != "preconditions"}
        self._delete(target.kind, pod, kept, user)
        return _SUCCESS


def _next_generation(body: Object) -> Object:
    return {**body, "metadata": {**body["metadata"], "generation": body["metadata"].get("generation", 0) + 1}}


_USERS_METADATA = ("labels", "annotations", "finalizers", "ownerReferences", "generateName")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
_NAMESPACES = KIND["namespaces"]
