"""A configuration as manifests for Kubernetes with the KubeRay operator (ray.io/v1, operator 1.5.1 or newer)."""
