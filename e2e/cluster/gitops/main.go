// What Flux and Argo CD make of a sealed Secret: their own libraries, pointed at a real API server.
//
// Reads a job from standard input and prints what they saw, as JSON. It judges nothing: the checks do.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// job says what to apply, and with whose library.
type job struct {
	Kubeconfig string                    `json:"kubeconfig"`
	Tool       string                    `json:"tool"`
	Objects    []map[string]any          `json:"objects"`
	Force      bool                      `json:"force"`
	Options    map[string]bool           `json:"options"`
	manifests  []*unstructured.Unstructured
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		return fmt.Errorf("cannot read the job: %w", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", j.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, -1
	for _, object := range j.Objects {
		j.manifests = append(j.manifests, &unstructured.Unstructured{Object: object})
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	var seen any
	switch j.Tool {
	case "flux":
		seen, err = flux(ctx, c, j)
	case "argo":
		seen, err = argo(ctx, c, config, j)
	default:
		err = fmt.Errorf("no tool is called %q", j.Tool)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}
