"""What was shown of each file of images/kubernetes on the real cluster, and by which tests: images/README.md has it as a table, which
test_promises.py compares with this list and with the tests that there are."""

from __future__ import annotations

MANIFESTS, FAILURES, LIFE, POLICIES, AGENTS, ORDINARY, STARTS, EMULATOR, MINIO, WEBHOOK = (
    f"test_cluster_{name}.py" for name in ("manifests", "failures", "life", "policies", "agents", "ordinary", "starts", "emulator", "minio",
                                             "webhook"))

PROMISES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("pod.yaml", "the app has credentials", [(MANIFESTS, "test_a_pod")]),
    ("pod.yaml", "`kubectl describe pod` says in one line why a pod does not start", [
        (FAILURES, "test_the_webhook_missed_the_pod"), (FAILURES, "test_another_service_account"), (FAILURES, "test_no_association"),
        (FAILURES, "test_a_role_that_cannot_be_assumed"), (FAILURES, "test_no_agent_and_a_late_one")]),
    ("pod.yaml", "what comes late is waited for: association, agent", [
        (FAILURES, "test_a_late_association"), (FAILURES, "test_no_agent_and_a_late_one"), (FAILURES, "test_the_association_comes_after_a_failure")]),
    ("pod.yaml", "the app outlives the agent's absence, and a sidecar or pause container that is killed", [
        (FAILURES, "test_the_agent_goes_and_comes_back"), (FAILURES, "test_the_sidecar_is_killed"), (FAILURES, "test_the_pause_container_is_killed")]),
    ("pod.yaml", "the kubelet's new token counts; credentials to the app's last moment; memory", [
        (LIFE, "test_the_kubelet_rotates_the_token"), (LIFE, "test_the_end"), (LIFE, "test_what_it_costs")]),
    ("pod.yaml", "an app that is killed for its memory starts again, and has credentials at once", [
        (LIFE, "test_an_app_that_is_killed_for_its_memory")]),
    ("pod.yaml", "containers of several users, by fsGroup", [(LIFE, "test_containers_of_several_users"), (LIFE, "test_another_user_without_fs_group")]),
    ("sidecar-only.yaml", "the app has credentials", [(MANIFESTS, "test_a_pod")]),
    ("classic.yaml", "the app has credentials, and is held back until then", [
        (MANIFESTS, "test_a_pod"), (STARTS, "test_classic_holds_the_app_back")]),
    ("own-token.yaml", "the app has credentials, without the webhook", [(MANIFESTS, "test_a_pod")]),
    ("distroless.yaml", "the app has credentials, by its profile", [(MANIFESTS, "test_a_pod")]),
    ("legacy-sdk.yaml", "the app has credentials, in both ways", [(MANIFESTS, "test_a_pod")]),
    ("cross-account.yaml", "the app has the other role's credentials", [(MANIFESTS, "test_another_account")]),
    ("two-roles.yaml", "each container has its own role, and not the other's", [(MANIFESTS, "test_two_roles")]),
    ("irsa.yaml", "the app has credentials, without an agent", [(MANIFESTS, "test_irsa")]),
    ("job.yaml", "the Job is complete, or fails as its app does", [(MANIFESTS, "test_a_job"), (LIFE, "test_a_job_whose_app_fails")]),
    ("job.yaml", "a pod that the webhook missed is not counted; what cannot get better fails at once", [
        (STARTS, "test_an_outage_of_the_webhook_is_not_counted"), (STARTS, "test_a_job_of_the_wrong_account_fails_at_once")]),
    ("job-classic.yaml", "the Job is complete", [(MANIFESTS, "test_a_job")]),
    ("example, component, fsgroup", "Deployment, StatefulSet, CronJob, Job", [
        (MANIFESTS, "test_the_example"), (MANIFESTS, "test_the_component_on_other_workloads")]),
    ("admission/mutating-v1beta1.yaml", "a labelled Deployment has credentials, its own init containers, too", [
        (POLICIES, "test_a_labelled_workload"), (POLICIES, "test_init_containers_of_its_own"), (POLICIES, "test_without_the_label")]),
    ("admission/mutating.yaml", "a labelled pod has credentials; what cannot be injected is refused", [
        (MINIO, "test_a_labelled_pod"), (MINIO, "test_in_any_order"), (MINIO, "test_what_cannot_be_injected")]),
    ("admission/validating.yaml", "what was not injected is refused, and the events say why", [
        (POLICIES, "test_the_webhook_misses_a_labelled_pod"), (POLICIES, "test_required_alone"), (POLICIES, "test_the_mutating_policy_is_missing")]),
    ("agent/cloud.yaml", "pods get credentials by EKS Auth; the agent has no rights left", [(AGENTS, "test_cloud")]),
    ("agent/hybrid.yaml", "the same, with the node's credentials from a file", [(AGENTS, "test_hybrid")]),
    ("agent/startup-taint.yaml", "no pod comes before the agent; its account may do nothing else with nodes", [(AGENTS, "test_startup_taint")]),
    ("emulator/daemonset.yaml", "the emulator is the agent of each node", [
        (EMULATOR, "test_the_manifest")]),
    ("any-cluster/associations.yaml, daemonset.yaml", "`kubectl patch configmap` gives and takes a role", [
        (ORDINARY, "test_as_shipped"), (ORDINARY, "test_a_role_is_given_and_taken"), (ORDINARY, "test_a_role_that_does_not_trust_the_account"),
        (ORDINARY, "test_by_the_agents_own_credentials")]),
    ("any-cluster/injection-v1beta1.yaml", "pods of associated service accounts are injected", [
        (ORDINARY, "test_as_shipped"), (ORDINARY, "test_a_role_is_given_and_taken")]),
    ("any-cluster/injection.yaml", "the same; MinIO is STS and S3, and the app writes and reads an object", [
        (MINIO, "test_a_pod"), (MINIO, "test_without_credentials"), (MINIO, "test_a_role_that_minio_does_not_know"),
        (MINIO, "test_deleted_and_applied_again")]),
    ("any-cluster/guard.yaml", "only who has the verb `associate` changes associations", [(ORDINARY, "test_who_may_associate")]),
    ("any-cluster/token-review.yaml", "a token of a pod that is gone is refused", [(ORDINARY, "test_token_review")]),
    ("webhook/template.yaml, configuration.yaml", "labelled workloads of each kind and whole namespaces", [
        (WEBHOOK, "test_labelled_workloads"), (WEBHOOK, "test_a_whole_namespace"), (WEBHOOK, "test_init_containers_of_its_own")]),
    ("webhook/configuration.yaml", "beside EKS' own webhook, before it and behind it", [
        (WEBHOOK, "test_labelled_workloads"), (WEBHOOK, "test_eks_webhook_comes_first")]),
    ("webhook/configuration.yaml", "who is refused reads why, also while nobody answers", [
        (WEBHOOK, "test_a_pod_that_is_refused"), (WEBHOOK, "test_nobody_answers"), (WEBHOOK, "test_other_causes"),
        (WEBHOOK, "test_a_dry_run")]),
    ("webhook/webhook.yaml, namespace.yaml", "new certificates and versions, while pods are asked for", [
        (WEBHOOK, "test_the_certificate_is_renewed"), (WEBHOOK, "test_servers_are_replaced")]),
    ("webhook/webhook.yaml", "killed, it comes back; a template with a mistake does no harm; no rights", [
        (WEBHOOK, "test_servers_are_killed"), (WEBHOOK, "test_a_thousand_pods"), (WEBHOOK, "test_a_template_with_a_mistake"), (WEBHOOK, "test_it_may_do_nothing")]),
    ("webhook/template-classic.yaml", "the app has credentials, and the sidecar is the first container", [(WEBHOOK, "test_classic")]),
    ("webhook/identity.yaml", "without EKS' webhook, pods of associated service accounts have credentials", [(WEBHOOK, "test_identity_without_eks")]),
]
OF_CERT_MANAGER = "webhook/cert-manager.yaml"
"""Whose types test_chart.py checks it with."""
