package command

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/prometheustest"
	"github.com/zarafa/presence/internal/smalldisk"
	"github.com/zarafa/presence/internal/xmpptest"
)

// quickRules are the rules that are shipped, but every alert fires after a second.
func quickRules(t *testing.T) string {
	t.Helper()
	shipped, err := os.ReadFile("../../deploy/prometheus/zarafa-presence.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	quick := regexp.MustCompile(`(?m)^    for: \w+$`).ReplaceAllString(string(shipped), "    for: 1s")
	if strings.Count(quick, "for: 1s") < 10 {
		t.Fatal("the rules have another form")
	}
	return write(t, "rules.yaml", quick)
}

// firing waits until exactly these alerts fire.
func firing(t *testing.T, prometheus *prometheustest.Server, want ...string) {
	t.Helper()
	var got []string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		got = nil
		for _, alert := range prometheus.Alerts() {
			if alert.State == "firing" {
				got = append(got, alert.Labels["alertname"])
			}
		}
		if slices.Sort(got); slices.Equal(got, want) {
			return
		}
	}
	t.Fatalf("firing are %v, want %v", got, want)
}

// fill writes to a disk until so many bytes are left.
func fill(t *testing.T, disk string, left uint64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(disk, &fs); err != nil {
		t.Fatal(err)
	}
	size := fs.Bavail*uint64(fs.Bsize) - left
	if left == 0 {
		size += 1 << 20
	}
	ballast, err := os.OpenFile(filepath.Join(disk, "ballast"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	if _, err := ballast.Write(make([]byte, size)); err != nil && (left != 0 || !errors.Is(err, syscall.ENOSPC)) {
		t.Fatal(err)
	}
}

// TestAlerts lets happen what the alerts are for, and has a real Prometheus notice: a lost source, a disk that fills up, a journal that cannot be
// written, a daemon that is gone. None but the last makes the daemon less ready.
func TestAlerts(t *testing.T) {
	server, disk := xmpptest.Start(t, xmpptest.Prosody, xmpptest.Options{}), smalldisk.Mount(t, "32m")
	file := write(t, "zarafa-presence.yaml", fmt.Sprintf("http: {listen: 127.0.0.1:0}\nauth: {secret: %s}\nprotocols: [xmpp]\n"+
		"xmpp: {jid: %s, password: %s, host: %s, ca_file: %s, sweep_after: 1s}\n",
		testSecret, server.JID(xmpptest.Observer), server.Password(xmpptest.Observer), server.Addr, server.CAFile))
	d := serve(t, nil, "--config", file, "--store.kind=bolt", "--store.dir", filepath.Join(disk, "store"))
	prometheus := prometheustest.Start(t, prometheustest.Options{
		Targets: []string{strings.Trim(strings.TrimPrefix(d.url, "http:"), "/")}, Interval: 250 * time.Millisecond, Rules: []string{quickRules(t)},
	})
	mine := token(t, secretEnv, markd)
	put := func(message string) int {
		status, _ := request(t, "PUT", d.url, mine, `{"user_id":"markd@zarafa.com","manual":{"status":"busy","message":"`+message+`"}}`)
		return status
	}
	ready := func(lines ...string) {
		t.Helper()
		status, body := d.ask("readyz?verbose")
		if status != 200 {
			t.Errorf("/readyz: %d", status)
		}
		for _, line := range lines {
			if !strings.Contains(body, line+"\n") {
				t.Errorf("/readyz?verbose lacks %q:\n%s", line, body)
			}
		}
	}
	prometheus.Becomes(`presence_source_state{state="synced"} == 1`)
	firing(t, prometheus)
	ready("source xmpp: synced", "writing: possible")

	server.Kill()
	firing(t, prometheus, "PresenceSourceLost")
	ready("source xmpp: waiting", "writing: possible")

	fill(t, disk, 2<<20)
	firing(t, prometheus, "PresenceDiskNearlyFull", "PresenceSourceLost")

	fill(t, disk, 0)
	eventually(t, "an update is refused", func() bool { return put(strings.Repeat("x", 4000)) == 503 })
	prometheus.Becomes(`ALERTS{alertname="PresenceJournalNotWritable",alertstate="firing"}`)
	ready("source xmpp: waiting", "writing: not possible")

	if err := os.Remove(filepath.Join(disk, "ballast")); err != nil {
		t.Fatal(err)
	}
	server.Restart(t)
	eventually(t, "an update is taken", func() bool { return put("again") == 200 })
	prometheus.Becomes(`absent(ALERTS{alertname=~"PresenceJournalNotWritable|PresenceDiskNearlyFull|PresenceSourceLost"})`)

	d.terminate(syscall.SIGTERM)
	prometheus.Becomes(`ALERTS{alertname="PresenceDown",alertstate="firing"}`)
}
