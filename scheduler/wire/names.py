"""Names of the API: group, labels, annotations, reasons. A user meets each of them in the documentation."""

GROUP = "muster.dev"
VERSION = "v1alpha1"
SCHEDULER = "muster"

LABEL_QUEUE = "muster.dev/queue"
LABEL_POD_GROUP = "muster.dev/pod-group"
LABEL_SUBGROUP = "muster.dev/subgroup"

ANNOTATION_DEFAULT_QUEUE = "muster.dev/default-queue"
ANNOTATION_PREEMPTIBLE = "muster.dev/preemptible"
ANNOTATION_TOPOLOGY = "muster.dev/topology"
ANNOTATION_TOPOLOGY_REQUIRED = "muster.dev/topology-required"
ANNOTATION_TOPOLOGY_PREFERRED = "muster.dev/topology-preferred"
ANNOTATION_GPU_MODEL = "muster.dev/gpu-model"
ANNOTATION_GPU_COUNT = "muster.dev/gpu-count"
ANNOTATION_GPU_MILLI = "muster.dev/gpu-milli"
ANNOTATION_GPU_MEMORY = "muster.dev/gpu-memory"
ANNOTATION_MIG_PROFILE = "muster.dev/mig-profile"
DEVICE_ASKS = (ANNOTATION_GPU_COUNT, ANNOTATION_GPU_MILLI, ANNOTATION_GPU_MEMORY, ANNOTATION_MIG_PROFILE)
ANNOTATION_GPU_DEVICES = "muster.dev/gpu-devices"
"""Which parts of its node's GPUs a pod was given; written by us with the bind."""
