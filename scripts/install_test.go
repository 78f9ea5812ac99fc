package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// programs stand for Debian's: a package that enables its service, and what disables one.
var programs = map[string]string{
	"id": "echo 0",
	"apt-get": `[ "$1" = install ] || exit 0
[ -x "$ROOT/usr/sbin/policy-rc.d" ] || exit 1
for boot in etc/systemd/system/multi-user.target.wants/redis-server.service etc/systemd/system/sockets.target.wants/epmd.socket etc/rc2.d/S01redis-server; do
	ln -s /dev/null "$ROOT/$boot"
done`,
	"systemctl":   `[ "$1" = disable ] && rm "$ROOT"/etc/systemd/system/*.wants/"$2"`,
	"update-rc.d": `[ "$2" = disable ] && mv "$ROOT/etc/rc2.d/S01$1" "$ROOT/etc/rc2.d/K01$1"`,
}

// TestNothingNewStartsAtBoot: what was not there before does not start at boot after the tests' packages are installed, and what was there still does.
func TestNothingNewStartsAtBoot(t *testing.T) {
	root, bin := t.TempDir(), t.TempDir()
	for name, script := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	before := []string{"etc/rc2.d/S01nginx", "etc/systemd/system/multi-user.target.wants/nginx.service", "usr/sbin/policy-rc.d"}
	for _, link := range append(before, "etc/systemd/system/sockets.target.wants/ssh.socket") {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, link)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/dev/null", filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), "./install-test-packages")
	install.Env = append(os.Environ(), "ROOT="+root, "PATH="+bin+":"+os.Getenv("PATH"))
	if output, err := install.CombinedOutput(); err != nil || !strings.Contains(string(output), "installing: ") {
		t.Fatalf("%v\n%s", err, output)
	}
	var after []string
	for _, pattern := range []string{"etc/rc2.d/*", "etc/systemd/system/*/*", "usr/sbin/*"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range found {
			after = append(after, strings.TrimPrefix(link, root+"/"))
		}
	}
	want := []string{"etc/rc2.d/K01redis-server", "etc/rc2.d/S01nginx", "etc/systemd/system/multi-user.target.wants/nginx.service",
		"etc/systemd/system/sockets.target.wants/ssh.socket", "usr/sbin/policy-rc.d"}
	if !slices.Equal(after, want) {
		t.Errorf("there are %q, want %q", after, want)
	}
}
