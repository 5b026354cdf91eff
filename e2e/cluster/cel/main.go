// Compiles the expressions of a webhook registration and of a policy as the API server does, evaluates them over objects, and
// prints what each expression costs: the API server itself counts the costs and does not tell.
//
// Reads one job as JSON from standard input, writes an array with one answer for each of its objects: costs, or with `decide`
// only what is forwarded and refused, for which everything is compiled once.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/google/cel-go/cel"
	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/admission"
	plugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

type job struct {
	// What `privy render` prints.
	Manifests string   `json:"manifests"`
	Objects   []object `json:"objects"`
	Decide    bool     `json:"decide"`
}

type object struct {
	Name      string       `json:"name"`
	Object    *core.Secret `json:"object"`
	OldObject *core.Secret `json:"oldObject"`
	MayUnseal bool         `json:"mayUnseal"`
}

// One expression of a list, and what it cost by itself.
type cost struct {
	Name   string `json:"name"`
	Cost   int64  `json:"cost"`
	Result string `json:"result"`
}

type answer struct {
	Name string `json:"name"`
	// By webhook: conditions in their order.
	Webhooks map[string][]cost `json:"webhooks"`
	// The policy's conditions, variables and validations.
	Policy []cost `json:"policy"`
}

// What the API server would do with an object.
type decision struct {
	Name string `json:"name"`
	// By webhook: whether it is called.
	Forwarded map[string]bool `json:"forwarded"`
	// What the policy says to each validation that does not hold.
	Refused []string `json:"refused"`
}

type expression struct {
	name, text string
	types      []*cel.Type
}

func (e *expression) GetExpression() string    { return e.text }
func (e *expression) ReturnTypes() []*cel.Type { return e.types }

type rights struct{ mayUnseal bool }

func (r rights) Authorize(_ context.Context, _ authorizer.Attributes) (authorizer.Decision, string, error) {
	if r.mayUnseal {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (r rights) ConditionsAwareAuthorize(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	return r.Authorize(ctx, a)
}

var declared = plugin.OptionalVariableDeclarations{HasAuthorizer: true}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	var work job
	if err := json.Unmarshal(text, &work); err != nil {
		return err
	}
	webhooks, policy, err := read(work.Manifests)
	if err != nil {
		return err
	}
	environments := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	if work.Decide {
		decisions, err := decide(webhooks, policy, environments, work.Objects)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(decisions)
	}
	var answers []answer
	for _, one := range work.Objects {
		a := answer{Name: one.Name, Webhooks: map[string][]cost{}}
		for _, webhook := range webhooks {
			var conditions []*expression
			for _, c := range webhook.MatchConditions {
				conditions = append(conditions, condition(c.Name, c.Expression))
			}
			// Each by itself: the API server charges them one after the other, and stops at none.
			costs, err := each(conditions, one, func(list []plugin.ExpressionAccessor) plugin.ConditionEvaluator {
				return plugin.NewConditionCompiler(environments).CompileCondition(list, declared, environment.StoredExpressions)
			})
			if err != nil {
				return fmt.Errorf("%s: webhook %s: %w", one.Name, webhook.Name, err)
			}
			a.Webhooks[webhook.Name] = costs
		}
		if a.Policy, err = costsOf(policy, environments, one); err != nil {
			return fmt.Errorf("%s: policy: %w", one.Name, err)
		}
		answers = append(answers, a)
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// decide evaluates as the API server does, with its budgets.
func decide(webhooks []admissionregistration.MutatingWebhook, policy *admissionregistration.ValidatingAdmissionPolicy, environments *environment.EnvSet, objects []object) ([]decision, error) {
	called := map[string]plugin.ConditionEvaluator{}
	for _, webhook := range webhooks {
		var conditions []plugin.ExpressionAccessor
		for _, c := range webhook.MatchConditions {
			conditions = append(conditions, condition(c.Name, c.Expression))
		}
		called[webhook.Name] = plugin.NewConditionCompiler(environments).CompileCondition(conditions, declared, environment.StoredExpressions)
	}
	compiler, err := composited(policy, environments)
	if err != nil {
		return nil, err
	}
	var validations, messages []plugin.ExpressionAccessor
	for _, validation := range policy.Spec.Validations {
		validations = append(validations, condition(validation.Expression, validation.Expression))
		text := validation.MessageExpression
		if text == "" {
			text = "''"
		}
		messages = append(messages, &expression{text, text, []*cel.Type{cel.StringType}})
	}
	validator := compiler.CompileCondition(validations, declared, environment.StoredExpressions)
	messenger := compiler.CompileCondition(messages, declared, environment.StoredExpressions)
	decisions := []decision{}
	for _, one := range objects {
		d := decision{Name: one.Name, Forwarded: map[string]bool{}, Refused: []string{}}
		for name, evaluator := range called {
			results, err := evaluate(evaluator, one, celconfig.RuntimeCELCostBudgetMatchConditions)
			if err != nil {
				return nil, fmt.Errorf("%s: webhook %s: %w", one.Name, name, err)
			}
			d.Forwarded[name] = true
			for _, result := range results {
				if result.Error != nil {
					return nil, fmt.Errorf("%s: webhook %s: %w", one.Name, name, result.Error)
				}
				d.Forwarded[name] = d.Forwarded[name] && result.EvalResult.Value() == true
			}
		}
		results, err := evaluate(validator, one, celconfig.RuntimeCELCostBudget)
		if err != nil {
			return nil, fmt.Errorf("%s: policy: %w", one.Name, err)
		}
		var said []plugin.EvaluationResult
		for n, result := range results {
			if result.Error != nil {
				return nil, fmt.Errorf("%s: validation %d: %w", one.Name, n+1, result.Error)
			}
			if result.EvalResult.Value() == true {
				continue
			}
			if said == nil {
				if said, err = evaluate(messenger, one, celconfig.RuntimeCELCostBudget); err != nil {
					return nil, fmt.Errorf("%s: messages: %w", one.Name, err)
				}
			}
			message := policy.Spec.Validations[n].Message
			if policy.Spec.Validations[n].MessageExpression != "" {
				if said[n].Error != nil {
					return nil, fmt.Errorf("%s: message %d: %w", one.Name, n+1, said[n].Error)
				}
				message = fmt.Sprint(said[n].EvalResult.Value())
			}
			d.Refused = append(d.Refused, message)
		}
		decisions = append(decisions, d)
	}
	return decisions, nil
}

func evaluate(evaluator plugin.ConditionEvaluator, one object, budget int64) ([]plugin.EvaluationResult, error) {
	if problems := evaluator.CompilationErrors(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	attributes := attributesOf(one)
	request := plugin.CreateAdmissionRequest(attributes.Attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.VersionedKind))
	bindings := plugin.OptionalVariableBindings{Authorizer: rights{one.MayUnseal}}
	results, _, err := evaluator.ForInput(context.Background(), attributes, request, bindings, nil, budget)
	return results, err
}

// The policy that is evaluated; others are rendered beside it.
const backstop = "no-sealed-values.privyseal.dev"

// read finds the webhooks and the policy among manifests.
func read(manifests string) ([]admissionregistration.MutatingWebhook, *admissionregistration.ValidatingAdmissionPolicy, error) {
	var webhooks []admissionregistration.MutatingWebhook
	var policy *admissionregistration.ValidatingAdmissionPolicy
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader([]byte(manifests))))
	buffer := make([]byte, 1<<20)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, nil, err
		}
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(buffer[:n], &kind); err != nil {
			return nil, nil, err
		}
		switch kind.Kind {
		case "MutatingWebhookConfiguration":
			var configuration admissionregistration.MutatingWebhookConfiguration
			if err := yaml.UnmarshalStrict(buffer[:n], &configuration); err != nil {
				return nil, nil, err
			}
			webhooks = append(webhooks, configuration.Webhooks...)
		case "ValidatingAdmissionPolicy":
			var found admissionregistration.ValidatingAdmissionPolicy
			if err := yaml.UnmarshalStrict(buffer[:n], &found); err != nil {
				return nil, nil, err
			}
			if found.Name == backstop {
				policy = &found
			}
		}
	}
	if len(webhooks) == 0 || policy == nil {
		return nil, nil, errors.New("the manifests hold no webhook or no policy")
	}
	return webhooks, policy, nil
}

func condition(name, text string) *expression {
	return &expression{name, text, []*cel.Type{cel.BoolType}}
}

// composited compiles the policy's variables.
func composited(policy *admissionregistration.ValidatingAdmissionPolicy, environments *environment.EnvSet) (*plugin.CompositedCompiler, error) {
	compiler, err := plugin.NewCompositedCompiler(environments)
	if err != nil {
		return nil, err
	}
	var variables []plugin.NamedExpressionAccessor
	for _, variable := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: variable.Name, Expression: variable.Expression})
	}
	compiler.CompileAndStoreVariables(variables, declared, environment.StoredExpressions)
	return compiler, nil
}

// costsOf walks conditions, variables, validations. A variable is charged to whoever asks for it first, and kept: asked for in
// the order of their declaration, each shows its own cost.
func costsOf(policy *admissionregistration.ValidatingAdmissionPolicy, environments *environment.EnvSet, one object) ([]cost, error) {
	compiler, err := composited(policy, environments)
	if err != nil {
		return nil, err
	}
	var list []*expression
	for _, c := range policy.Spec.MatchConditions {
		list = append(list, condition("condition "+c.Name, c.Expression))
	}
	for _, variable := range policy.Spec.Variables {
		list = append(list, condition("variable "+variable.Name, "type(variables."+variable.Name+") != type(null)"))
	}
	for n, validation := range policy.Spec.Validations {
		list = append(list, condition(fmt.Sprintf("validation %d", n+1), validation.Expression))
	}
	return each(list, one, func(list []plugin.ExpressionAccessor) plugin.ConditionEvaluator {
		return compiler.CompileCondition(list, declared, environment.StoredExpressions)
	})
}

// each evaluates longer and longer beginnings of the list: what one more expression adds is its own cost.
func each(list []*expression, one object, compile func([]plugin.ExpressionAccessor) plugin.ConditionEvaluator) ([]cost, error) {
	var costs []cost
	var accessors []plugin.ExpressionAccessor
	var before int64
	attributes := attributesOf(one)
	request := plugin.CreateAdmissionRequest(attributes.Attributes, metav1.GroupVersionResource(attributes.GetResource()), metav1.GroupVersionKind(attributes.VersionedKind))
	bindings := plugin.OptionalVariableBindings{Authorizer: rights{one.MayUnseal}}
	for _, next := range list {
		accessors = append(accessors, next)
		evaluator := compile(accessors)
		if problems := evaluator.CompilationErrors(); len(problems) > 0 {
			return nil, errors.Join(problems...)
		}
		results, left, err := evaluator.ForInput(context.Background(), attributes, request, bindings, nil, math.MaxInt64)
		if err != nil {
			return nil, err
		}
		result := results[len(results)-1]
		if result.Error != nil {
			return nil, fmt.Errorf("%s: %w", next.name, result.Error)
		}
		spent := math.MaxInt64 - left
		costs = append(costs, cost{next.name, spent - before, fmt.Sprint(result.EvalResult.Value())})
		before = spent
	}
	return costs, nil
}

func attributesOf(one object) *admission.VersionedAttributes {
	kind, resource := core.SchemeGroupVersion.WithKind("Secret"), core.SchemeGroupVersion.WithResource("secrets")
	operation, options := admission.Create, runtime.Object(&metav1.CreateOptions{})
	var old runtime.Object
	if one.OldObject != nil {
		operation, options, old = admission.Update, &metav1.UpdateOptions{}, one.OldObject
	}
	who := &user.DefaultInfo{Name: "deployer", Groups: []string{"system:authenticated"}}
	return &admission.VersionedAttributes{
		Attributes:         admission.NewAttributesRecord(one.Object, old, kind, one.Object.Namespace, one.Object.Name, resource, "", operation, options, false, who),
		VersionedObject:    one.Object,
		VersionedOldObject: old,
		VersionedKind:      kind,
	}
}
