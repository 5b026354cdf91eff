//go:build tools

package main

// Keeps in go.mod what kubectl and kube-controller-manager need: their `build` in e2e/servers builds them from this module.
import (
	_ "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
