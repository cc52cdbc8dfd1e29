// Evaluates an admission policy on a pod with the API server's own code: {"policy": ..., "pod": ...} on standard input, one a line; for each, one
// line {"matched": bool, "denied": [message, ...], "error": text, "pod": ...} comes out. "params" is the policy's parameter, a ConfigMap;
// "configmap" stands in place of the pod for policies about those, "node" with "old_node" for those about nodes, as an update by "user" with "extra";
// "namespace" is the request's, "may" the verbs that an authorizer allows.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/api/admissionregistration/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

const budget = 10000000 // what the API server grants a policy

var (
	podKind     = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	podResource = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	stored      = environment.StoredExpressions

	configMapKind     = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	configMapResource = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

	nodeKind     = schema.GroupVersionKind{Version: "v1", Kind: "Node"}
	nodeResource = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

type request struct {
	Policy    json.RawMessage     `json:"policy"`
	Pod       corev1.Pod          `json:"pod"`
	ConfigMap *corev1.ConfigMap   `json:"configmap"`
	Params    *corev1.ConfigMap   `json:"params"`
	Namespace string              `json:"namespace"`
	May       []string            `json:"may"`
	Node      *corev1.Node        `json:"node"`
	OldNode   *corev1.Node        `json:"old_node"`
	User      string              `json:"user"`
	Extra     map[string][]string `json:"extra"`
	Operation admission.Operation `json:"operation"`
}

// Not an interface that holds a nil pointer.
func (r *request) params() runtime.Object {
	if r.Params == nil {
		return nil
	}
	return r.Params
}

func (r *request) authorizer() authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if slices.Contains(r.May, a.GetVerb()) {
			return authorizer.DecisionAllow, "", nil
		}
		return authorizer.DecisionNoOpinion, "", nil
	})
}

type answer struct {
	Matched bool        `json:"matched"`
	Denied  []string    `json:"denied,omitempty"`
	Error   string      `json:"error,omitempty"`
	Pod     *corev1.Pod `json:"pod,omitempty"`
}

func (r *request) attributes(pod *corev1.Pod) *admission.VersionedAttributes {
	namespace, who := cmp.Or(r.Namespace, "default"), &user.DefaultInfo{Name: cmp.Or(r.User, "somebody"), Extra: r.Extra}
	if r.Node != nil {
		r.Node.SetGroupVersionKind(nodeKind)
		r.OldNode.SetGroupVersionKind(nodeKind)
		plain := admission.NewAttributesRecord(r.Node, r.OldNode, nodeKind, "", r.Node.Name, nodeResource, "", cmp.Or(r.Operation, admission.Update),
			&metav1.UpdateOptions{}, false, who)
		return &admission.VersionedAttributes{Attributes: plain, VersionedObject: r.Node, VersionedOldObject: r.OldNode, VersionedKind: nodeKind}
	}
	if r.ConfigMap != nil {
		r.ConfigMap.SetGroupVersionKind(configMapKind)
		plain := admission.NewAttributesRecord(r.ConfigMap, nil, configMapKind, namespace, r.ConfigMap.Name, configMapResource, "", admission.Update,
			&metav1.UpdateOptions{}, false, who)
		return &admission.VersionedAttributes{Attributes: plain, VersionedObject: r.ConfigMap, VersionedKind: configMapKind}
	}
	pod.SetGroupVersionKind(podKind)
	plain := admission.NewAttributesRecord(pod, nil, podKind, namespace, pod.Name, podResource, "", admission.Create, &metav1.CreateOptions{}, false, who)
	return &admission.VersionedAttributes{Attributes: plain, VersionedObject: pod, VersionedKind: podKind}
}

func selected(constraints *metav1.LabelSelector, pod *corev1.Pod) (bool, error) {
	if constraints == nil {
		return true, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(constraints)
	return err == nil && selector.Matches(labels.Set(pod.Labels)), err
}

func compiler() (*cel.CompositedCompiler, error) {
	return cel.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
}

func matcher(c *cel.CompositedCompiler, conditions []v1.MatchCondition, opts cel.OptionalVariableDeclarations) matchconditions.Matcher {
	fail := v1.Fail
	var accessors []cel.ExpressionAccessor
	for i := range conditions {
		accessors = append(accessors, (*matchconditions.MatchCondition)(&conditions[i]))
	}
	return matchconditions.NewMatcher(c.CompileCondition(accessors, opts, stored), &fail, "policy", "validate", "policy")
}

func validate(policy *v1.ValidatingAdmissionPolicy, asked *request) answer {
	c, err := compiler()
	if err != nil {
		return answer{Error: err.Error()}
	}
	opts := cel.OptionalVariableDeclarations{HasAuthorizer: true}
	messageOpts := cel.OptionalVariableDeclarations{}
	var variables []cel.NamedExpressionAccessor
	for _, each := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: each.Name, Expression: each.Expression})
	}
	c.CompileAndStoreVariables(variables, opts, stored)
	expressions := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	messages := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	for i, each := range policy.Spec.Validations {
		expressions[i] = &validating.ValidationCondition{Expression: each.Expression, Message: each.Message, Reason: each.Reason}
		if each.MessageExpression != "" {
			messages[i] = &validating.MessageExpressionCondition{MessageExpression: each.MessageExpression}
		}
	}
	fail := v1.Fail
	ready := validating.NewValidator(c.CompileCondition(expressions, opts, stored), matcher(c, policy.Spec.MatchConditions, opts),
		c.CompileCondition(nil, opts, stored), c.CompileCondition(messages, messageOpts, stored), &fail)
	attributes := asked.attributes(&asked.Pod)
	result := ready.Validate(c.CompositionEnv.CreateContext(context.Background()), attributes.GetResource(), attributes, nil, &corev1.Namespace{}, budget,
		asked.authorizer())
	out := answer{Matched: len(result.Decisions) > 0}
	for _, decision := range result.Decisions {
		if decision.Evaluation == validating.EvalError {
			out.Error = decision.Message
		}
		if decision.Action == validating.ActionDeny {
			out.Denied = append(out.Denied, decision.Message)
		}
	}
	return out
}

func mutate(policy *v1beta1.MutatingAdmissionPolicy, asked *request) answer {
	pod := &asked.Pod
	c, err := compiler()
	if err != nil {
		return answer{Error: err.Error()}
	}
	ctx := c.CompositionEnv.CreateContext(context.Background())
	opts := cel.OptionalVariableDeclarations{HasAuthorizer: true, HasParams: policy.Spec.ParamKind != nil}
	var variables []cel.NamedExpressionAccessor
	for _, each := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: each.Name, Expression: each.Expression})
	}
	c.CompileAndStoreVariables(variables, opts, stored)
	conditions := make([]v1.MatchCondition, len(policy.Spec.MatchConditions))
	for i, each := range policy.Spec.MatchConditions {
		conditions[i] = v1.MatchCondition(each)
	}
	matched := matcher(c, conditions, opts).Match(ctx, asked.attributes(pod), asked.params(), nil)
	if matched.Error != nil {
		return answer{Error: matched.Error.Error()}
	}
	if !matched.Matches {
		return answer{}
	}
	patchOpts := opts
	patchOpts.HasPatchTypes = true
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	for _, each := range policy.Spec.Mutations {
		var patcher patch.Patcher
		if each.PatchType == v1beta1.PatchTypeJSONPatch {
			patcher = patch.NewJSONPatcher(c.CompileMutatingEvaluator(&patch.JSONPatchCondition{Expression: each.JSONPatch.Expression}, patchOpts, stored))
		} else {
			patcher = patch.NewApplyConfigurationPatcher(
				c.CompileMutatingEvaluator(&patch.ApplyConfigurationCondition{Expression: each.ApplyConfiguration.Expression}, patchOpts, stored))
		}
		patched, err := patcher.Patch(ctx, patch.Request{MatchedResource: podResource, VersionedAttributes: asked.attributes(pod),
			OptionalVariables: cel.OptionalVariableBindings{VersionedParams: asked.params()},
			ObjectInterfaces:  admission.NewObjectInterfacesFromScheme(scheme.Scheme), TypeConverter: converter}, budget)
		if err != nil {
			return answer{Matched: true, Error: err.Error()}
		}
		typed := &corev1.Pod{}
		if already, ok := patched.(*corev1.Pod); ok {
			typed = already
		} else if content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(patched); err != nil {
			return answer{Matched: true, Error: err.Error()}
		} else if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(content, typed, true); err != nil {
			return answer{Matched: true, Error: err.Error()}
		}
		pod = typed
	}
	return answer{Matched: true, Pod: pod}
}

func evaluate(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	var kind metav1.TypeMeta
	_ = json.Unmarshal(asked.Policy, &kind)
	if kind.Kind == "MutatingAdmissionPolicy" {
		var policy v1beta1.MutatingAdmissionPolicy
		if err := json.Unmarshal(asked.Policy, &policy); err != nil {
			return answer{Error: err.Error()}
		}
		if ok, err := selected(policy.Spec.MatchConstraints.ObjectSelector, &asked.Pod); !ok || err != nil {
			return answer{}
		}
		return mutate(&policy, &asked)
	}
	var policy v1.ValidatingAdmissionPolicy
	if err := json.Unmarshal(asked.Policy, &policy); err != nil {
		return answer{Error: err.Error()}
	}
	if ok, err := selected(policy.Spec.MatchConstraints.ObjectSelector, &asked.Pod); !ok || err != nil {
		return answer{}
	}
	return validate(&policy, &asked)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		out, err := json.Marshal(evaluate(lines.Bytes()))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(out))
	}
}
