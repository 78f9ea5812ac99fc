package deploy

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/zarafa/presence/internal/certtest"
)

// mapping is a mapping of YAML.
type mapping = map[string]any

// at returns what is in a document at a path of keys, and nil if nothing is.
func at(document any, path ...string) any {
	for _, key := range path {
		inner, _ := document.(mapping)
		document = inner[key]
	}
	return document
}

// named returns the element of a list that has the name.
func named(list any, name string) any {
	elements, _ := list.([]any)
	for _, element := range elements {
		if at(element, "name") == name {
			return element
		}
	}
	return nil
}

func parse(t *testing.T, text string) (document mapping) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return document
}

// schemas checks files against the schemas of Kubernetes and Compose, and returns what it says of faults.
func schemas(t *testing.T, files ...string) (string, error) {
	t.Helper()
	for i, file := range files {
		absolute, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		files[i] = absolute
	}
	command := exec.CommandContext(t.Context(), "go", append([]string{"run", "."}, files...)...)
	command.Dir = "schemas"
	said, err := command.CombinedOutput()
	return string(said), err
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		return "", err
	}
	daemon := filepath.Join(dir, "zarafa-presence")
	said, err := exec.Command("go", "build", "-o", daemon, "../cmd/zarafa-presence").CombinedOutput()
	if err != nil {
		return dir, &exec.Error{Name: string(said), Err: err}
	}
	return daemon, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if daemon, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(daemon))
	}
	os.Exit(code)
}

// checkConfiguration has the daemon check a configuration in the image's environment. The files that it names are in the folder secrets.
func checkConfiguration(t *testing.T, text, secrets string, files ...string) {
	t.Helper()
	daemon, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, file := range files {
		content := []byte("0123456789abcdefABCDEF0123456789")
		if ext := filepath.Ext(file); ext == ".pem" || ext == ".crt" {
			content = certtest.NewAuthority(t).PEM
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, secrets+"/"+file) {
			t.Errorf("the configuration does not name %s/%s", secrets, file)
		}
	}
	name := filepath.Join(dir, "zarafa-presence.yaml")
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(text, secrets, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), daemon, "check", "--quiet", "--config", name)
	command.Env = []string{"PRESENCE_HTTP__LISTEN=:1234", "STATE_DIRECTORY=/var/lib/zarafa-presence", "HOME=/var/lib/zarafa-presence"}
	if said, err := command.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("check: %v\n%s\nof\n%s", err, said, text)
	}
}

// TestSchemas: Kubernetes and Compose understand each key.
func TestSchemas(t *testing.T) {
	if said, err := schemas(t, "kubernetes/zarafa-presence.yaml", "kubernetes/zarafa-presence-nats.yaml", "compose/compose.yaml"); err != nil || said != "" {
		t.Errorf("%v\n%s", err, said)
	}
	dir := t.TempDir()
	var files []string
	for _, fault := range [][3]string{
		{"kubernetes/zarafa-presence.yaml", "readOnlyRootFilesystem", "readOnlyRoot"},
		{"kubernetes/zarafa-presence-nats.yaml", "periodSeconds: 2", "periodSeconds: often"},
		{"compose/compose.yaml", "cap_drop", "drop"},
	} {
		file := filepath.Join(dir, filepath.Base(fault[0]))
		files = append(files, file)
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(read(t, fault[0]), fault[1], fault[2])), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said, err := schemas(t, files...)
	for _, want := range []string{"readOnlyRoot", "periodSeconds", "drop"} {
		if err == nil || !strings.Contains(said, want) {
			t.Errorf("a fault in %s is not found: %v\n%s", want, err, said)
		}
	}
}

// manifests returns the manifests in a file by their kind.
func manifests(t *testing.T, file string) map[string]mapping {
	t.Helper()
	all := map[string]mapping{}
	for document := range strings.SplitSeq(read(t, file), "\n---\n") {
		manifest := parse(t, document)
		kind, _ := manifest["kind"].(string)
		if all[kind] != nil || at(manifest, "metadata", "name") != "zarafa-presence" {
			t.Errorf("%s: %s %v", file, kind, at(manifest, "metadata", "name"))
		}
		all[kind] = manifest
	}
	return all
}

// TestKubernetes: the daemon takes the configuration, and the manifests fit it and each other.
func TestKubernetes(t *testing.T) {
	for file, is := range map[string]struct {
		workload string
		replicas int
		mounts   []string
		secrets  []string
	}{
		"kubernetes/zarafa-presence.yaml":      {"StatefulSet", 1, []string{"configuration", "secrets", "store"}, []string{"secret"}},
		"kubernetes/zarafa-presence-nats.yaml": {"Deployment", 3, []string{"configuration", "secrets"}, []string{"secret", "presence.creds", "ca.pem"}},
	} {
		t.Run(is.workload, func(t *testing.T) {
			all := manifests(t, file)
			spec := at(all[is.workload], "spec")
			pod := at(spec, "template", "spec")
			container := named(at(pod, "containers"), "zarafa-presence")
			mounts := map[string]string{}
			mounted, _ := at(container, "volumeMounts").([]any)
			for _, mount := range mounted {
				name, _ := at(mount, "name").(string)
				mounts[name], _ = at(mount, "mountPath").(string)
			}
			if names := slices.Sorted(maps.Keys(mounts)); !slices.Equal(names, is.mounts) || at(spec, "replicas") != is.replicas {
				t.Errorf("mounted are %v, replicas %v", names, at(spec, "replicas"))
			}

			text, _ := at(all["ConfigMap"], "data", "zarafa-presence.yaml").(string)
			checkConfiguration(t, text, mounts["secrets"], is.secrets...)
			configuration := parse(t, text)
			if dir := at(configuration, "store", "dir"); dir != nil && dir != mounts["store"]+"/store" {
				t.Errorf("store.dir is %v, and the volume is at %s", dir, mounts["store"])
			}
			if args, _ := at(container, "args").([]any); !slices.Contains(args, any(mounts["configuration"]+"/zarafa-presence.yaml")) {
				t.Errorf("the arguments are %v", args)
			}

			ports := map[any]any{at(configuration, "http", "listen"): "http", at(configuration, "http", "admin_listen"): "admin"}
			if named(at(container, "ports"), "http") == nil || named(at(container, "ports"), "admin") == nil || len(ports) != 2 {
				t.Errorf("ports: %v, the configuration has %v", at(container, "ports"), ports)
			}
			if service, _ := at(all["Service"], "spec", "ports").([]any); len(service) != 1 || at(service[0], "targetPort") != "http" {
				t.Errorf("the service has the ports %v", service)
			}
			checkPorts(t, container, configuration)
			checkSafety(t, pod, container)
			labels := at(spec, "template", "metadata", "labels", "app.kubernetes.io/name")
			for where, selected := range map[string]any{
				is.workload: at(spec, "selector", "matchLabels"), "Service": at(all["Service"], "spec", "selector"),
				"NetworkPolicy": at(all["NetworkPolicy"], "spec", "podSelector", "matchLabels"),
			} {
				if at(selected, "app.kubernetes.io/name") != labels || labels == nil {
					t.Errorf("%s selects %v", where, selected)
				}
			}
		})
	}
}

// checkPorts: the container's ports are those of the configuration, and the probes ask the admin port.
func checkPorts(t *testing.T, container any, configuration mapping) {
	t.Helper()
	listen := map[string]any{"http": at(configuration, "http", "listen"), "admin": at(configuration, "http", "admin_listen")}
	for name, address := range listen {
		text, _ := yaml.Marshal(at(named(at(container, "ports"), name), "containerPort"))
		if address != ":"+strings.TrimSpace(string(text)) {
			t.Errorf("%s: port %s, and the daemon listens at %v", name, text, address)
		}
	}
	for probe, path := range map[string]string{"livenessProbe": "/livez", "readinessProbe": "/readyz"} {
		if get := at(container, probe, "httpGet"); at(get, "path") != path || at(get, "port") != "admin" {
			t.Errorf("%s: %v", probe, get)
		}
	}
}

// checkSafety: what the daemon does not need it is not allowed.
func checkSafety(t *testing.T, pod, container any) {
	t.Helper()
	for what, ok := range map[string]bool{
		"root":                   at(pod, "securityContext", "runAsNonRoot") == true && at(pod, "securityContext", "runAsUser") == 10001,
		"the account":            at(pod, "automountServiceAccountToken") == false,
		"variables of services":  at(pod, "enableServiceLinks") == false,
		"the system calls":       at(pod, "securityContext", "seccompProfile", "type") == "RuntimeDefault",
		"the root file system":   at(container, "securityContext", "readOnlyRootFilesystem") == true,
		"more privileges":        at(container, "securityContext", "allowPrivilegeEscalation") == false,
		"capabilities":           slices.Equal(at(container, "securityContext", "capabilities", "drop").([]any), []any{"ALL"}),
		"memory":                 at(container, "resources", "limits", "memory") != nil && at(container, "resources", "requests", "cpu") != nil,
		"the secret for its own": at(named(at(pod, "volumes"), "secrets"), "secret", "defaultMode") == 0o440,
	} {
		if !ok {
			t.Errorf("%s: %v %v", what, pod, container)
		}
	}
}
