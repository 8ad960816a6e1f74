// Package helm has no code: its tests render the chart as Helm does, and read what
// comes of it as Kubernetes does. It is a module of its own for the sake of both.
package helm
