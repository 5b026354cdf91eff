//go:build tools

package main

// Keeps what kubectl needs in go.mod: `e2e/servers/kubectl/build` builds it from this module.
import _ "k8s.io/kubernetes/cmd/kubectl"
