package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-cd/gitops-engine/pkg/diff"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/kube-openapi/pkg/util/proto"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const argoManager = "argocd-controller"

// argoSaw says whether the application controller would call the Secret out of sync.
type argoSaw struct {
	OutOfSync bool   `json:"outOfSync"`
	Error     string `json:"error"`
}

// argo compares the first object with what is live, under one setting of an Application.
func argo(ctx context.Context, c client.Client, config *rest.Config, j job) (*argoSaw, error) {
	wanted := j.manifests[0]
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(wanted.GroupVersionKind())
	if err := c.Get(ctx, client.ObjectKeyFromObject(wanted), live); err != nil {
		return nil, err
	}
	parser, err := gvkParser(config)
	if err != nil {
		return nil, err
	}
	result, err := diff.Diff(wanted, live,
		diff.WithGVKParser(parser),
		diff.WithManager(argoManager),
		diff.WithStructuredMergeDiff(j.Options["structuredMergeDiff"]),
		diff.WithServerSideDiff(j.Options["serverSideDiff"]),
		diff.WithIgnoreMutationWebhook(!j.Options["includeMutationWebhook"]),
		diff.WithServerSideDryRunner(diff.NewK8sServerSideDryRunner(applier{c})),
	)
	if err != nil {
		return &argoSaw{Error: err.Error()}, nil
	}
	return &argoSaw{OutOfSync: result.Modified}, nil
}

func gvkParser(config *rest.Config) (*managedfields.GvkParser, error) {
	dc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	document, err := dc.OpenAPISchema()
	if err != nil {
		return nil, err
	}
	models, err := proto.NewOpenAPIData(document)
	if err != nil {
		return nil, err
	}
	return managedfields.NewGVKParser(models, false)
}

// applier is the server-side dry run that Argo CD makes through kubectl's own code.
type applier struct{ client client.Client }

func (a applier) ApplyResource(ctx context.Context, obj *unstructured.Unstructured, strategy cmdutil.DryRunStrategy, force, _, serverSide bool, manager string) (string, error) {
	if strategy != cmdutil.DryRunServer || !serverSide {
		return "", fmt.Errorf("only server-side dry runs are expected here")
	}
	predicted := obj.DeepCopy()
	options := []client.PatchOption{client.DryRunAll, client.FieldOwner(manager)}
	// As Argo CD does: conflicts with other managers are its own to win.
	options = append(options, client.ForceOwnership)
	if err := a.client.Patch(ctx, predicted, client.Apply, options...); err != nil {
		return "", err
	}
	text, err := json.Marshal(predicted)
	return string(text), err
}
