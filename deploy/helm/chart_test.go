package helm

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write testdata")

// rendered is what a release of the chart consists of, by kind and name, and its notes.
type rendered struct {
	objects map[string]runtime.Object
	notes   string
}

// render renders the chart with values over its own. What Kubernetes would refuse, such
// as a field that is not known or is there twice, is an error here, too.
func render(t *testing.T, values string) (rendered, error) {
	t.Helper()
	chart, err := loader.LoadDir("tgsession")
	require.NoError(t, err)
	given := map[string]any{}
	require.NoError(t, yaml.UnmarshalStrict([]byte(values), &given))
	all, err := chartutil.ToRenderValues(chart, given, chartutil.ReleaseOptions{Name: "prod", Namespace: "telegram"}, nil)
	if err != nil {
		return rendered{}, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		return rendered{}, err
	}
	r := rendered{objects: map[string]runtime.Object{}}
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for path, text := range files {
		if strings.HasSuffix(path, "NOTES.txt") {
			r.notes = text
			continue
		}
		for _, document := range releaseutil.SplitManifests(text) {
			object, kind, err := decoder.Decode([]byte(document), nil, nil)
			if err != nil {
				return rendered{}, err
			}
			meta, ok := object.(metav1.Object)
			require.True(t, ok)
			id := kind.Kind + "/" + meta.GetName()
			require.NotContains(t, r.objects, id)
			r.objects[id] = object
		}
	}
	return r, nil
}

// of returns an object of a release.
func of[T runtime.Object](t *testing.T, r rendered, id string) T {
	t.Helper()
	object, ok := r.objects[id].(T)
	require.True(t, ok, "%s is not there", id)
	return object
}

func services() []string { return []string{"prod-session", "prod-authsession"} }

// everything sets all that is off by default, and what is not there.
const everything = `
etcd: {hosts: ["etcd-0:2379", "etcd-1:2379"]}
imagePullSecrets: [registry]
session:
  config: {Session: {MaxSessions: 32}, UseStreamGateway: true}
  secretFiles: [{secret: keys, mountPath: /etc/tgsession-keys}]
  ports: {grpc: 30120, dev: 7070}
  preStopSeconds: 0
  shutdownSeconds: 60
  antiAffinity: required
  autoscaling: {enabled: true}
  nodeSelector: {pool: sessions}
  tolerations: [{key: sessions, operator: Exists}]
  podAnnotations: {team: chat}
authsession:
  antiAffinity: none
  disruption: {maxUnavailable: 25%}
  autoscaling: {enabled: true}
networkPolicy:
  callers: [{namespaceSelector: {matchLabels: {team: chat}}}]
  monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
`

func TestWhatIsRendered(t *testing.T) {
	both := func(kinds ...string) (ids []string) {
		for _, name := range services() {
			for _, kind := range kinds {
				ids = append(ids, kind+"/"+name)
			}
		}
		return ids
	}
	usual := both("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
	for name, tc := range map[string]struct {
		values string
		want   []string
	}{
		"as it is":                    {"", append([]string{"ConfigMap/prod-session"}, usual...)},
		"all there is":                {everything, append(append([]string{"ConfigMap/prod-session"}, usual...), both("HorizontalPodAutoscaler")...)},
		"session.yaml is in a Secret": {"session: {existingSecret: session}", usual},
		"no policy":                   {"networkPolicy: {enabled: false}", append([]string{"ConfigMap/prod-session"}, both("Deployment", "Service", "PodDisruptionBudget")...)},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := render(t, tc.values)
			require.NoError(t, err)
			var ids []string
			for id := range r.objects {
				ids = append(ids, id)
			}
			require.ElementsMatch(t, tc.want, ids)
			require.Contains(t, r.notes, "kubectl create secret generic tgsession-authsession")
			for _, name := range services() {
				requireConsistent(t, r, name)
			}
		})
	}
}

// requireConsistent checks that what belongs together fits.
func requireConsistent(t *testing.T, r rendered, name string) {
	t.Helper()
	d := of[*appsv1.Deployment](t, r, "Deployment/"+name)
	pod := d.Spec.Template
	chosen := func(s *metav1.LabelSelector) {
		t.Helper()
		selector, err := metav1.LabelSelectorAsSelector(s)
		require.NoError(t, err)
		require.True(t, selector.Matches(labels.Set(pod.Labels)))
		for _, other := range services() {
			if other != name {
				require.False(t, selector.Matches(labels.Set(of[*appsv1.Deployment](t, r, "Deployment/"+other).Spec.Template.Labels)), "it is the other service's, too")
			}
		}
	}
	chosen(d.Spec.Selector)
	chosen(of[*policyv1.PodDisruptionBudget](t, r, "PodDisruptionBudget/"+name).Spec.Selector)
	service := of[*corev1.Service](t, r, "Service/"+name)
	chosen(metav1.SetAsLabelSelector(service.Spec.Selector))

	require.Len(t, pod.Spec.Containers, 1)
	c := pod.Spec.Containers[0]
	ports := map[string]int32{}
	for _, p := range c.Ports {
		ports[p.Name] = p.ContainerPort
	}
	for _, p := range service.Spec.Ports {
		require.Equal(t, ports[p.TargetPort.StrVal], p.Port)
	}
	for path, probe := range map[string][]*corev1.Probe{"/healthz": {c.StartupProbe, c.LivenessProbe}, "/readyz": {c.ReadinessProbe}} {
		for _, p := range probe {
			require.Equal(t, path, p.HTTPGet.Path)
			require.Contains(t, ports, p.HTTPGet.Port.StrVal)
		}
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = v
	}
	require.Len(t, volumes, len(c.VolumeMounts))
	for _, m := range c.VolumeMounts {
		require.Contains(t, volumes, m.Name)
	}
	if m := volumes["config"].ConfigMap; m != nil {
		file := of[*corev1.ConfigMap](t, r, "ConfigMap/"+m.Name).Data
		require.Contains(t, file, strings.TrimPrefix(c.Args[1], "/etc/tgsession/"))
	}
	require.Equal(t, "status.podIP", c.Env[0].ValueFrom.FieldRef.FieldPath)
	if policy, ok := r.objects["NetworkPolicy/"+name].(*networkingv1.NetworkPolicy); ok {
		chosen(&policy.Spec.PodSelector)
		for _, rule := range policy.Spec.Ingress {
			require.NotEmpty(t, rule.From, "no rule lets everybody in")
			require.Contains(t, ports, rule.Ports[0].Port.StrVal)
		}
	}
	if h, ok := r.objects["HorizontalPodAutoscaler/"+name].(*autoscalingv2.HorizontalPodAutoscaler); ok {
		require.Equal(t, name, h.Spec.ScaleTargetRef.Name)
		require.Nil(t, d.Spec.Replicas, "an upgrade does not undo what was scaled")
		require.LessOrEqual(t, *h.Spec.MinReplicas, h.Spec.MaxReplicas)
	}
	require.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
	require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *pod.Spec.AutomountServiceAccountToken)
}

// A pod is not killed before it has waited for who still calls it, and has stopped.
func TestAPodHasTheTimeToStop(t *testing.T) {
	for name, tc := range map[string]struct {
		values string
		sleeps int64 // before SIGTERM
		stops  int64 // Shutdown.WaitTime
		killed int64
	}{
		"as it is":        {"", 3, 30, 38},
		"no wait before":  {"session: {preStopSeconds: 0}\nauthsession: {preStopSeconds: 0}", 0, 30, 35},
		"a slower stop":   {"session: {shutdownSeconds: 120}\nauthsession: {shutdownSeconds: 120}", 3, 120, 128},
		"within the 30 s": {"session: {preStopSeconds: 2, shutdownSeconds: 20}\nauthsession: {preStopSeconds: 2, shutdownSeconds: 20}", 2, 20, 27},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := render(t, tc.values)
			require.NoError(t, err)
			for _, name := range services() {
				pod := of[*appsv1.Deployment](t, r, "Deployment/"+name).Spec.Template.Spec
				sleeps := int64(0)
				if l := pod.Containers[0].Lifecycle; l != nil {
					sleeps = l.PreStop.Sleep.Seconds
				}
				require.Equal(t, tc.sleeps, sleeps)
				require.Equal(t, tc.killed, *pod.TerminationGracePeriodSeconds)
			}
			require.Equal(t, map[string]any{"WaitTime": fmt.Sprintf("%ds", tc.stops)}, sessionYAML(t, r)["Shutdown"])
		})
	}
}

func sessionYAML(t *testing.T, r rendered) (file map[string]any) {
	t.Helper()
	require.NoError(t, yaml.UnmarshalStrict([]byte(of[*corev1.ConfigMap](t, r, "ConfigMap/prod-session").Data["session.yaml"]), &file))
	return file
}

// The service's own test reads the file (TestTheFilesOfTheChartLoad).
func TestTheConfigurationIsTheOneThatIsTested(t *testing.T) {
	r, err := render(t, "")
	require.NoError(t, err)
	const golden = "testdata/session.yaml"
	got := of[*corev1.ConfigMap](t, r, "ConfigMap/prod-session").Data["session.yaml"]
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "go test -C deploy/helm -update . writes it anew")

	r, err = render(t, everything)
	require.NoError(t, err)
	file := sessionYAML(t, r)
	require.Equal(t, "0.0.0.0:30120", file["ListenOn"])
	require.Equal(t, map[string]any{"MaxSessions": 32.0}, file["Session"])
	require.Equal(t, true, file["UseStreamGateway"])
	require.Equal(t, []any{"etcd-0:2379", "etcd-1:2379"}, file["GatewayClient"].(map[string]any)["Etcd"].(map[string]any)["Hosts"])
}

// A change of the file reaches pods that run: they are made anew.
func TestAChangeOfTheConfigurationIsRolledOut(t *testing.T) {
	sum := func(values string) string {
		r, err := render(t, values)
		require.NoError(t, err)
		return of[*appsv1.Deployment](t, r, "Deployment/prod-session").Spec.Template.Annotations["checksum/config"]
	}
	require.NotEqual(t, sum(""), sum("etcd: {hosts: [other:2379]}"))
	require.Equal(t, sum(""), sum("session: {replicas: 5}"))
}

// Values that mean nothing are refused, not ignored.
func TestValuesThatAreRefused(t *testing.T) {
	for name, tc := range map[string]struct{ values, want string }{
		"a key that is not known":      {"session: {replica: 3}", "replica"},
		"one above":                    {"sessions: {}", "sessions"},
		"a number in words":            {"session: {replicas: three}", "replicas"},
		"no etcd":                      {"etcd: {hosts: []}", "hosts"},
		"an etcd without a port":       {"etcd: {hosts: [etcd]}", "hosts"},
		"no Secret for authsession":    {"authsession: {existingSecret: \"\"}", "existingSecret"},
		"a port of root":               {"session: {ports: {grpc: 443}}", "grpc"},
		"no time to stop":              {"authsession: {shutdownSeconds: 0}", "shutdownSeconds"},
		"an unknown affinity":          {"session: {antiAffinity: maybe}", "antiAffinity"},
		"a budget that lets nobody go": {"session: {disruption: {maxUnavailable: 0}}", "maxUnavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render(t, tc.values)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// No rule lets strangers at health, metrics and profiles unless the values name them.
func TestWhoReachesWhichPort(t *testing.T) {
	for values, want := range map[string][]string{"": {"grpc"}, everything: {"grpc", "dev"}} {
		r, err := render(t, values)
		require.NoError(t, err)
		for _, name := range services() {
			var open []string
			for _, rule := range of[*networkingv1.NetworkPolicy](t, r, "NetworkPolicy/"+name).Spec.Ingress {
				for _, p := range rule.Ports {
					open = append(open, p.Port.StrVal)
				}
			}
			require.True(t, slices.Equal(want, open), "%v", open)
		}
	}
}
