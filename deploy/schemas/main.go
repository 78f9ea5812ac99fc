// Command schemas checks the YAML files that its arguments name: compose.yaml against the Compose specification, all others against the types of
// Kubernetes. A key that is not in them, or is there twice, is a fault. It prints the first fault of each manifest.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	faulty := false
	for _, name := range os.Args[1:] {
		check := kubernetes
		if filepath.Base(name) == "compose.yaml" {
			check = composition
		}
		if err := check(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			faulty = true
		}
	}
	if faulty || len(os.Args) < 2 {
		os.Exit(1)
	}
}

// kubernetes checks a file of manifests.
func kubernetes(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var faults []error
	for i, document := range strings.Split(string(text), "\n---\n") {
		if err := manifest([]byte(document)); err != nil {
			faults = append(faults, fmt.Errorf("document %d: %w", i+1, err))
		}
	}
	return errors.Join(faults...)
}

func manifest(document []byte) error {
	var is struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &is); err != nil {
		return err
	}
	kinds := map[string]any{
		"v1 ConfigMap":                       &core.ConfigMap{},
		"v1 Service":                         &core.Service{},
		"apps/v1 StatefulSet":                &apps.StatefulSet{},
		"apps/v1 Deployment":                 &apps.Deployment{},
		"policy/v1 PodDisruptionBudget":      &policy.PodDisruptionBudget{},
		"networking.k8s.io/v1 NetworkPolicy": &networking.NetworkPolicy{},
	}
	kind, known := kinds[is.APIVersion+" "+is.Kind]
	if !known {
		return fmt.Errorf("no schema of %q %q is here", is.APIVersion, is.Kind)
	}
	return yaml.UnmarshalStrict(document, kind)
}

// composition checks a file of Compose.
func composition(name string) error {
	_, err := loader.LoadWithContext(context.Background(), compose.ConfigDetails{
		WorkingDir:  filepath.Dir(name),
		ConfigFiles: []compose.ConfigFile{{Filename: name}},
		Environment: compose.Mapping{"PRESENCE_IMAGE": "localhost/zarafa-presence:test"},
	}, func(o *loader.Options) { o.SetProjectName("presence", true) })
	return err
}
