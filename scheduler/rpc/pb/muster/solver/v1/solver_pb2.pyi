from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class End(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    END_UNSPECIFIED: _ClassVar[End]
    END_OPTIMAL: _ClassVar[End]
    END_FEASIBLE: _ClassVar[End]
    END_DEADLINE: _ClassVar[End]
    END_FAILED: _ClassVar[End]
    END_SKIPPED: _ClassVar[End]
END_UNSPECIFIED: End
END_OPTIMAL: End
END_FEASIBLE: End
END_DEADLINE: End
END_FAILED: End
END_SKIPPED: End

class SolveRequest(_message.Message):
    __slots__ = ("revision", "problem", "start", "budget")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    revision: int
    problem: Problem
    start: Incumbent
    budget: Budget
    def __init__(self, revision: _Optional[int] = ..., problem: _Optional[_Union[Problem, _Mapping]] = ..., start: _Optional[_Union[Incumbent, _Mapping]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ...) -> None: ...

class SolveResponse(_message.Message):
    __slots__ = ("incumbent", "end", "variables")
    INCUMBENT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_FIELD_NUMBER: _ClassVar[int]
    incumbent: Incumbent
    end: End
    variables: int
    def __init__(self, incumbent: _Optional[_Union[Incumbent, _Mapping]] = ..., end: _Optional[_Union[End, str]] = ..., variables: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("wall_seconds", "work", "workers", "seed", "variables_max")
    WALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WORK_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    VARIABLES_MAX_FIELD_NUMBER: _ClassVar[int]
    wall_seconds: float
    work: float
    workers: int
    seed: int
    variables_max: int
    def __init__(self, wall_seconds: _Optional[float] = ..., work: _Optional[float] = ..., workers: _Optional[int] = ..., seed: _Optional[int] = ..., variables_max: _Optional[int] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("resources", "levels", "classes", "gangs", "members", "branches", "queues", "goals", "rules", "node_score", "relations", "device_score", "flavors", "mix", "giving", "behind", "front", "lending", "counts")
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    GANGS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    NODE_SCORE_FIELD_NUMBER: _ClassVar[int]
    RELATIONS_FIELD_NUMBER: _ClassVar[int]
    DEVICE_SCORE_FIELD_NUMBER: _ClassVar[int]
    FLAVORS_FIELD_NUMBER: _ClassVar[int]
    MIX_FIELD_NUMBER: _ClassVar[int]
    GIVING_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    FRONT_FIELD_NUMBER: _ClassVar[int]
    LENDING_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedScalarFieldContainer[str]
    levels: _containers.RepeatedCompositeFieldContainer[Level]
    classes: NodeClasses
    gangs: Gangs
    members: Members
    branches: Branches
    queues: Queues
    goals: _containers.RepeatedScalarFieldContainer[str]
    rules: _containers.RepeatedScalarFieldContainer[str]
    node_score: str
    relations: _containers.RepeatedCompositeFieldContainer[Relation]
    device_score: str
    flavors: _containers.RepeatedScalarFieldContainer[str]
    mix: Members
    giving: Giving
    behind: _containers.RepeatedScalarFieldContainer[int]
    front: _containers.RepeatedScalarFieldContainer[int]
    lending: _containers.RepeatedCompositeFieldContainer[Lending]
    counts: _containers.RepeatedCompositeFieldContainer[CountRoom]
    def __init__(self, resources: _Optional[_Iterable[str]] = ..., levels: _Optional[_Iterable[_Union[Level, _Mapping]]] = ..., classes: _Optional[_Union[NodeClasses, _Mapping]] = ..., gangs: _Optional[_Union[Gangs, _Mapping]] = ..., members: _Optional[_Union[Members, _Mapping]] = ..., branches: _Optional[_Union[Branches, _Mapping]] = ..., queues: _Optional[_Union[Queues, _Mapping]] = ..., goals: _Optional[_Iterable[str]] = ..., rules: _Optional[_Iterable[str]] = ..., node_score: _Optional[str] = ..., relations: _Optional[_Iterable[_Union[Relation, _Mapping]]] = ..., device_score: _Optional[str] = ..., flavors: _Optional[_Iterable[str]] = ..., mix: _Optional[_Union[Members, _Mapping]] = ..., giving: _Optional[_Union[Giving, _Mapping]] = ..., behind: _Optional[_Iterable[int]] = ..., front: _Optional[_Iterable[int]] = ..., lending: _Optional[_Iterable[_Union[Lending, _Mapping]]] = ..., counts: _Optional[_Iterable[_Union[CountRoom, _Mapping]]] = ...) -> None: ...

class Lending(_message.Message):
    __slots__ = ("resource", "flavor", "kept", "room", "total")
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    FLAVOR_FIELD_NUMBER: _ClassVar[int]
    KEPT_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    resource: int
    flavor: int
    kept: _containers.RepeatedScalarFieldContainer[int]
    room: _containers.RepeatedScalarFieldContainer[int]
    total: int
    def __init__(self, resource: _Optional[int] = ..., flavor: _Optional[int] = ..., kept: _Optional[_Iterable[int]] = ..., room: _Optional[_Iterable[int]] = ..., total: _Optional[int] = ...) -> None: ...

class CountRoom(_message.Message):
    __slots__ = ("queue", "user", "gangs", "room")
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    GANGS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    queue: int
    user: int
    gangs: int
    room: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, queue: _Optional[int] = ..., user: _Optional[int] = ..., gangs: _Optional[int] = ..., room: _Optional[_Iterable[int]] = ...) -> None: ...

class Giving(_message.Message):
    __slots__ = ("columns", "takers", "taker_members", "taken", "taker_rows", "yielders", "lanes", "tiers", "use", "guards", "guards_hold")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    TAKERS_FIELD_NUMBER: _ClassVar[int]
    TAKER_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    TAKER_ROWS_FIELD_NUMBER: _ClassVar[int]
    YIELDERS_FIELD_NUMBER: _ClassVar[int]
    LANES_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    USE_FIELD_NUMBER: _ClassVar[int]
    GUARDS_FIELD_NUMBER: _ClassVar[int]
    GUARDS_HOLD_FIELD_NUMBER: _ClassVar[int]
    columns: int
    takers: _containers.RepeatedScalarFieldContainer[int]
    taker_members: _containers.RepeatedScalarFieldContainer[int]
    taken: bytes
    taker_rows: _containers.RepeatedScalarFieldContainer[int]
    yielders: _containers.RepeatedCompositeFieldContainer[Yielder]
    lanes: _containers.RepeatedCompositeFieldContainer[Lane]
    tiers: _containers.RepeatedCompositeFieldContainer[CostTier]
    use: bytes
    guards: _containers.RepeatedScalarFieldContainer[int]
    guards_hold: bool
    def __init__(self, columns: _Optional[int] = ..., takers: _Optional[_Iterable[int]] = ..., taker_members: _Optional[_Iterable[int]] = ..., taken: _Optional[bytes] = ..., taker_rows: _Optional[_Iterable[int]] = ..., yielders: _Optional[_Iterable[_Union[Yielder, _Mapping]]] = ..., lanes: _Optional[_Iterable[_Union[Lane, _Mapping]]] = ..., tiers: _Optional[_Iterable[_Union[CostTier, _Mapping]]] = ..., use: _Optional[bytes] = ..., guards: _Optional[_Iterable[int]] = ..., guards_hold: _Optional[bool] = ...) -> None: ...

class Yielder(_message.Message):
    __slots__ = ("gang", "stand_member", "stand_class", "stand_pods", "lane", "whole", "line", "rows", "charge", "weights", "guards", "movable")
    GANG_FIELD_NUMBER: _ClassVar[int]
    STAND_MEMBER_FIELD_NUMBER: _ClassVar[int]
    STAND_CLASS_FIELD_NUMBER: _ClassVar[int]
    STAND_PODS_FIELD_NUMBER: _ClassVar[int]
    LANE_FIELD_NUMBER: _ClassVar[int]
    WHOLE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    GUARDS_FIELD_NUMBER: _ClassVar[int]
    MOVABLE_FIELD_NUMBER: _ClassVar[int]
    gang: int
    stand_member: _containers.RepeatedScalarFieldContainer[int]
    stand_class: _containers.RepeatedScalarFieldContainer[int]
    stand_pods: _containers.RepeatedScalarFieldContainer[int]
    lane: int
    whole: bool
    line: _containers.RepeatedScalarFieldContainer[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    charge: bytes
    weights: bytes
    guards: _containers.RepeatedScalarFieldContainer[int]
    movable: bool
    def __init__(self, gang: _Optional[int] = ..., stand_member: _Optional[_Iterable[int]] = ..., stand_class: _Optional[_Iterable[int]] = ..., stand_pods: _Optional[_Iterable[int]] = ..., lane: _Optional[int] = ..., whole: _Optional[bool] = ..., line: _Optional[_Iterable[int]] = ..., rows: _Optional[_Iterable[int]] = ..., charge: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., guards: _Optional[_Iterable[int]] = ..., movable: _Optional[bool] = ...) -> None: ...

class Lane(_message.Message):
    __slots__ = ("rights",)
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    rights: _containers.RepeatedCompositeFieldContainer[Right]
    def __init__(self, rights: _Optional[_Iterable[_Union[Right, _Mapping]]] = ...) -> None: ...

class Right(_message.Message):
    __slots__ = ("name", "room_row", "room_most", "floors", "asked", "keep")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROOM_ROW_FIELD_NUMBER: _ClassVar[int]
    ROOM_MOST_FIELD_NUMBER: _ClassVar[int]
    FLOORS_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    name: str
    room_row: _containers.RepeatedScalarFieldContainer[int]
    room_most: bytes
    floors: bytes
    asked: _containers.RepeatedScalarFieldContainer[bool]
    keep: bool
    def __init__(self, name: _Optional[str] = ..., room_row: _Optional[_Iterable[int]] = ..., room_most: _Optional[bytes] = ..., floors: _Optional[bytes] = ..., asked: _Optional[_Iterable[bool]] = ..., keep: _Optional[bool] = ...) -> None: ...

class CostTier(_message.Message):
    __slots__ = ("name", "kind")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...

class Relation(_message.Message):
    __slots__ = ("kind", "level", "carrier_gang", "carrier_member", "target_gang", "target_member", "standing", "max_skew", "bottomless", "first", "weight", "needs_key")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Relation.Kind]
        KIND_APART: _ClassVar[Relation.Kind]
        KIND_TOGETHER: _ClassVar[Relation.Kind]
        KIND_SPREAD: _ClassVar[Relation.Kind]
        KIND_PREFERENCE: _ClassVar[Relation.Kind]
    KIND_UNSPECIFIED: Relation.Kind
    KIND_APART: Relation.Kind
    KIND_TOGETHER: Relation.Kind
    KIND_SPREAD: Relation.Kind
    KIND_PREFERENCE: Relation.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    CARRIER_GANG_FIELD_NUMBER: _ClassVar[int]
    CARRIER_MEMBER_FIELD_NUMBER: _ClassVar[int]
    TARGET_GANG_FIELD_NUMBER: _ClassVar[int]
    TARGET_MEMBER_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    MAX_SKEW_FIELD_NUMBER: _ClassVar[int]
    BOTTOMLESS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    NEEDS_KEY_FIELD_NUMBER: _ClassVar[int]
    kind: Relation.Kind
    level: int
    carrier_gang: _containers.RepeatedScalarFieldContainer[int]
    carrier_member: _containers.RepeatedScalarFieldContainer[int]
    target_gang: _containers.RepeatedScalarFieldContainer[int]
    target_member: _containers.RepeatedScalarFieldContainer[int]
    standing: _containers.RepeatedScalarFieldContainer[int]
    max_skew: int
    bottomless: bool
    first: bool
    weight: int
    needs_key: bool
    def __init__(self, kind: _Optional[_Union[Relation.Kind, str]] = ..., level: _Optional[int] = ..., carrier_gang: _Optional[_Iterable[int]] = ..., carrier_member: _Optional[_Iterable[int]] = ..., target_gang: _Optional[_Iterable[int]] = ..., target_member: _Optional[_Iterable[int]] = ..., standing: _Optional[_Iterable[int]] = ..., max_skew: _Optional[int] = ..., bottomless: _Optional[bool] = ..., first: _Optional[bool] = ..., weight: _Optional[int] = ..., needs_key: _Optional[bool] = ...) -> None: ...

class Level(_message.Message):
    __slots__ = ("name", "domains")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOMAINS_FIELD_NUMBER: _ClassVar[int]
    name: str
    domains: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., domains: _Optional[_Iterable[str]] = ...) -> None: ...

class NodeClasses(_message.Message):
    __slots__ = ("nodes", "free", "domain", "devices", "device_state", "device_memory", "device_layout", "flavor")
    NODES_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    DEVICES_FIELD_NUMBER: _ClassVar[int]
    DEVICE_STATE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_MEMORY_FIELD_NUMBER: _ClassVar[int]
    DEVICE_LAYOUT_FIELD_NUMBER: _ClassVar[int]
    FLAVOR_FIELD_NUMBER: _ClassVar[int]
    nodes: bytes
    free: bytes
    domain: bytes
    devices: int
    device_state: bytes
    device_memory: bytes
    device_layout: bytes
    flavor: bytes
    def __init__(self, nodes: _Optional[bytes] = ..., free: _Optional[bytes] = ..., domain: _Optional[bytes] = ..., devices: _Optional[int] = ..., device_state: _Optional[bytes] = ..., device_memory: _Optional[bytes] = ..., device_layout: _Optional[bytes] = ..., flavor: _Optional[bytes] = ...) -> None: ...

class Gangs(_message.Message):
    __slots__ = ("members", "branches", "tier", "queue", "bundle", "bonus", "firm", "wish", "wishes", "leader", "user", "grows")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    BRANCHES_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BONUS_FIELD_NUMBER: _ClassVar[int]
    FIRM_FIELD_NUMBER: _ClassVar[int]
    WISH_FIELD_NUMBER: _ClassVar[int]
    WISHES_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    GROWS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedScalarFieldContainer[int]
    branches: _containers.RepeatedScalarFieldContainer[int]
    tier: _containers.RepeatedScalarFieldContainer[int]
    queue: _containers.RepeatedScalarFieldContainer[int]
    bundle: _containers.RepeatedScalarFieldContainer[bool]
    bonus: _containers.RepeatedScalarFieldContainer[int]
    firm: _containers.RepeatedScalarFieldContainer[bool]
    wish: _containers.RepeatedScalarFieldContainer[int]
    wishes: bytes
    leader: _containers.RepeatedScalarFieldContainer[int]
    user: _containers.RepeatedScalarFieldContainer[int]
    grows: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, members: _Optional[_Iterable[int]] = ..., branches: _Optional[_Iterable[int]] = ..., tier: _Optional[_Iterable[int]] = ..., queue: _Optional[_Iterable[int]] = ..., bundle: _Optional[_Iterable[bool]] = ..., bonus: _Optional[_Iterable[int]] = ..., firm: _Optional[_Iterable[bool]] = ..., wish: _Optional[_Iterable[int]] = ..., wishes: _Optional[bytes] = ..., leader: _Optional[_Iterable[int]] = ..., user: _Optional[_Iterable[int]] = ..., grows: _Optional[_Iterable[bool]] = ...) -> None: ...

class Members(_message.Message):
    __slots__ = ("request", "count", "minimum", "branch", "value", "eligible", "masks", "part", "part_count", "part_milli", "part_memory", "part_profile", "dislike", "costs")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ELIGIBLE_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PART_COUNT_FIELD_NUMBER: _ClassVar[int]
    PART_MILLI_FIELD_NUMBER: _ClassVar[int]
    PART_MEMORY_FIELD_NUMBER: _ClassVar[int]
    PART_PROFILE_FIELD_NUMBER: _ClassVar[int]
    DISLIKE_FIELD_NUMBER: _ClassVar[int]
    COSTS_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    count: _containers.RepeatedScalarFieldContainer[int]
    minimum: _containers.RepeatedScalarFieldContainer[int]
    branch: _containers.RepeatedScalarFieldContainer[int]
    value: _containers.RepeatedScalarFieldContainer[int]
    eligible: _containers.RepeatedScalarFieldContainer[int]
    masks: _containers.RepeatedScalarFieldContainer[bytes]
    part: _containers.RepeatedScalarFieldContainer[int]
    part_count: _containers.RepeatedScalarFieldContainer[int]
    part_milli: _containers.RepeatedScalarFieldContainer[int]
    part_memory: _containers.RepeatedScalarFieldContainer[int]
    part_profile: _containers.RepeatedScalarFieldContainer[str]
    dislike: _containers.RepeatedScalarFieldContainer[int]
    costs: bytes
    def __init__(self, request: _Optional[bytes] = ..., count: _Optional[_Iterable[int]] = ..., minimum: _Optional[_Iterable[int]] = ..., branch: _Optional[_Iterable[int]] = ..., value: _Optional[_Iterable[int]] = ..., eligible: _Optional[_Iterable[int]] = ..., masks: _Optional[_Iterable[bytes]] = ..., part: _Optional[_Iterable[int]] = ..., part_count: _Optional[_Iterable[int]] = ..., part_milli: _Optional[_Iterable[int]] = ..., part_memory: _Optional[_Iterable[int]] = ..., part_profile: _Optional[_Iterable[str]] = ..., dislike: _Optional[_Iterable[int]] = ..., costs: _Optional[bytes] = ...) -> None: ...

class Branches(_message.Message):
    __slots__ = ("parent", "minimum", "min_branches", "required", "preferred", "pinned", "wider", "exclusive", "balance", "slices")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MIN_BRANCHES_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    PINNED_FIELD_NUMBER: _ClassVar[int]
    WIDER_FIELD_NUMBER: _ClassVar[int]
    EXCLUSIVE_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    SLICES_FIELD_NUMBER: _ClassVar[int]
    parent: _containers.RepeatedScalarFieldContainer[int]
    minimum: _containers.RepeatedScalarFieldContainer[int]
    min_branches: _containers.RepeatedScalarFieldContainer[int]
    required: _containers.RepeatedScalarFieldContainer[int]
    preferred: _containers.RepeatedScalarFieldContainer[int]
    pinned: _containers.RepeatedScalarFieldContainer[int]
    wider: LevelLists
    exclusive: _containers.RepeatedScalarFieldContainer[int]
    balance: LevelLists
    slices: Slices
    def __init__(self, parent: _Optional[_Iterable[int]] = ..., minimum: _Optional[_Iterable[int]] = ..., min_branches: _Optional[_Iterable[int]] = ..., required: _Optional[_Iterable[int]] = ..., preferred: _Optional[_Iterable[int]] = ..., pinned: _Optional[_Iterable[int]] = ..., wider: _Optional[_Union[LevelLists, _Mapping]] = ..., exclusive: _Optional[_Iterable[int]] = ..., balance: _Optional[_Union[LevelLists, _Mapping]] = ..., slices: _Optional[_Union[Slices, _Mapping]] = ...) -> None: ...

class LevelLists(_message.Message):
    __slots__ = ("count", "level")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    count: _containers.RepeatedScalarFieldContainer[int]
    level: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, count: _Optional[_Iterable[int]] = ..., level: _Optional[_Iterable[int]] = ...) -> None: ...

class Slices(_message.Message):
    __slots__ = ("count", "size", "level", "held", "held_domain", "held_pods")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    HELD_DOMAIN_FIELD_NUMBER: _ClassVar[int]
    HELD_PODS_FIELD_NUMBER: _ClassVar[int]
    count: _containers.RepeatedScalarFieldContainer[int]
    size: _containers.RepeatedScalarFieldContainer[int]
    level: _containers.RepeatedScalarFieldContainer[int]
    held: _containers.RepeatedScalarFieldContainer[int]
    held_domain: _containers.RepeatedScalarFieldContainer[int]
    held_pods: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, count: _Optional[_Iterable[int]] = ..., size: _Optional[_Iterable[int]] = ..., level: _Optional[_Iterable[int]] = ..., held: _Optional[_Iterable[int]] = ..., held_domain: _Optional[_Iterable[int]] = ..., held_pods: _Optional[_Iterable[int]] = ...) -> None: ...

class Queues(_message.Message):
    __slots__ = ("parent", "room", "lines", "line_flavor", "line_firm", "line_room")
    PARENT_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    LINE_FLAVOR_FIELD_NUMBER: _ClassVar[int]
    LINE_FIRM_FIELD_NUMBER: _ClassVar[int]
    LINE_ROOM_FIELD_NUMBER: _ClassVar[int]
    parent: _containers.RepeatedScalarFieldContainer[int]
    room: bytes
    lines: _containers.RepeatedScalarFieldContainer[int]
    line_flavor: _containers.RepeatedScalarFieldContainer[int]
    line_firm: _containers.RepeatedScalarFieldContainer[bool]
    line_room: bytes
    def __init__(self, parent: _Optional[_Iterable[int]] = ..., room: _Optional[bytes] = ..., lines: _Optional[_Iterable[int]] = ..., line_flavor: _Optional[_Iterable[int]] = ..., line_firm: _Optional[_Iterable[bool]] = ..., line_room: _Optional[bytes] = ...) -> None: ...

class Incumbent(_message.Message):
    __slots__ = ("puts", "scores")
    PUTS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    puts: Puts
    scores: _containers.RepeatedCompositeFieldContainer[TierScore]
    def __init__(self, puts: _Optional[_Union[Puts, _Mapping]] = ..., scores: _Optional[_Iterable[_Union[TierScore, _Mapping]]] = ...) -> None: ...

class Puts(_message.Message):
    __slots__ = ("gang", "member", "node_class", "count", "spots")
    GANG_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    NODE_CLASS_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SPOTS_FIELD_NUMBER: _ClassVar[int]
    gang: _containers.RepeatedScalarFieldContainer[int]
    member: _containers.RepeatedScalarFieldContainer[int]
    node_class: _containers.RepeatedScalarFieldContainer[int]
    count: _containers.RepeatedScalarFieldContainer[int]
    spots: Spots
    def __init__(self, gang: _Optional[_Iterable[int]] = ..., member: _Optional[_Iterable[int]] = ..., node_class: _Optional[_Iterable[int]] = ..., count: _Optional[_Iterable[int]] = ..., spots: _Optional[_Union[Spots, _Mapping]] = ...) -> None: ...

class Spots(_message.Message):
    __slots__ = ("spots", "node", "pods")
    SPOTS_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    PODS_FIELD_NUMBER: _ClassVar[int]
    spots: _containers.RepeatedScalarFieldContainer[int]
    node: _containers.RepeatedScalarFieldContainer[int]
    pods: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, spots: _Optional[_Iterable[int]] = ..., node: _Optional[_Iterable[int]] = ..., pods: _Optional[_Iterable[int]] = ...) -> None: ...

class TierScore(_message.Message):
    __slots__ = ("tier", "value", "bound")
    TIER_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BOUND_FIELD_NUMBER: _ClassVar[int]
    tier: str
    value: int
    bound: int
    def __init__(self, tier: _Optional[str] = ..., value: _Optional[int] = ..., bound: _Optional[int] = ...) -> None: ...
