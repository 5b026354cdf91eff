package main

import (
	"context"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fluxSaw is what kustomize-controller would log and record.
type fluxSaw struct {
	Actions []string `json:"actions"`
	Error   string   `json:"error"`
}

// flux applies the objects as kustomize-controller does, and says of each what was done to it.
func flux(ctx context.Context, c client.Client, j job) (*fluxSaw, error) {
	manager := ssa.NewResourceManager(c, nil, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
	if err := normalize.UnstructuredList(j.manifests); err != nil {
		return nil, err
	}
	options := ssa.DefaultApplyOptions()
	options.Force = j.Force
	saw := &fluxSaw{Actions: []string{}}
	changes, err := manager.ApplyAll(ctx, j.manifests, options)
	if err != nil {
		saw.Error = err.Error()
	}
	if changes != nil {
		for _, entry := range changes.Entries {
			saw.Actions = append(saw.Actions, string(entry.Action))
		}
	}
	return saw, nil
}
