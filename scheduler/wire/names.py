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
UNMODELLED_ANNOTATIONS = ("muster.dev/gpu-milli", "muster.dev/gpu-memory", "muster.dev/mig-profile")
