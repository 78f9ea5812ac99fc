package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// After "Installing" in the README every documented command works with the shipped configuration, and nothing that only the unit knows.
func TestInstalled(t *testing.T) {
	shipped, err := os.ReadFile("../../configs/zarafa-presence.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := strings.ReplaceAll(string(shipped), "/etc/zarafa-presence/", dir+"/")
	text = strings.Replace(text, "listen: 127.0.0.1:1234", "listen: 127.0.0.1:0", 1)
	file := filepath.Join(dir, "zarafa-presence.yaml")
	for name, content := range map[string]string{file: text, filepath.Join(dir, "secret"): testSecret + "\n"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{envConfig + "=" + file}
	d := serve(t, environ)
	asking := append([]string{"PRESENCE_URL=" + d.url}, environ...)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"check"}, "secret_file: " + dir + "/secret"},
		{[]string{"token", markd}, ":" + markd + ":"},
		{[]string{"set", markd, "busy"}, markd + " is busy, decided by manual"},
		{[]string{"get", markd}, "busy"},
		{[]string{"clear", markd}, "taken away from manual"},
	} {
		if got := command(asking, test.args...); got.code != 0 || got.stderr != "" || !strings.Contains(got.stdout, test.want) {
			t.Errorf("%q: %+v, want %q", test.args, got, test.want)
		}
	}
}
