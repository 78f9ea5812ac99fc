package command

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInvisibleOutlivesTheDaemon: after restarts others are shown the same document with the same tag, until the end that was asked for; and then what is so.
func TestInvisibleOutlivesTheDaemon(t *testing.T) {
	r := reloads(t, map[string]string{"store.kind": "bolt", "store.dir": filepath.Join(t.TempDir(), "store"), "spreed.auto_unavailable": "1h"})
	const alice, one = "alice@example.test", "/v1/users/" + markd
	set := func(protocol, body string) {
		t.Helper()
		if got := r.ask(t, markd, "PUT", one+"/"+protocol, body); got.status != 204 {
			t.Fatalf("PUT %s: %d %s", body, got.status, got.body)
		}
	}
	set("spreed", `{"status":"available","message":"here"}`)
	set("manual", `{"status":"busy","message":"writing","invisible":true,"ttl":3600}`)
	set("spreed", `{"status":"away","message":"hidden"}`)
	before := r.ask(t, alice, "GET", one, "")
	if !strings.Contains(before.body, `"status":"unavailable","message":"","activity":null,"by":"spreed","reason":"only"`) || strings.Contains(before.body, "manual") {
		t.Errorf("alice is shown %s", before.body)
	}
	own := r.ask(t, markd, "GET", one, "").body
	for range 2 {
		r.terminate(syscall.SIGTERM)
		r.daemon = serveProtocols(t, withLamp(), noConfig, "--config="+r.file)
		if after := r.ask(t, alice, "GET", one, "", "If-None-Match", before.header.Get("ETag")); after.status != 304 {
			t.Errorf("after a restart alice is shown %d %s\nbefore %s", after.status, after.body, before.body)
		}
		if after := r.ask(t, markd, "GET", one, "").body; after != own {
			t.Errorf("after a restart mark is shown %s\nbefore %s", after, own)
		}
		set("spreed", `{"status":"away","message":"hidden"}`) // which renews it
		own = r.ask(t, markd, "GET", one, "").body
	}
	end := time.Now().Add(1500 * time.Millisecond)
	set("manual", `{"status":"busy","invisible":true,"until":"`+end.UTC().Format(time.RFC3339Nano)+`"}`)
	eventually(t, "alice is shown what is so", func() bool { return strings.Contains(r.ask(t, alice, "GET", one, "").body, "hidden") })
	if now := time.Now(); now.Before(end) {
		t.Errorf("that is %v early", end.Sub(now))
	}
}

// TestRulesGoByGroups: who comes into a group, by a file that is followed, is hidden from then on, also on a stream.
func TestRulesGoByGroups(t *testing.T) {
	file := write(t, "identities.yaml", "- {user: alice@example.test, groups: [board]}\n- {user: bob@example.test}\n")
	r := reloads(t, map[string]string{
		"identities_file": file, "visibility": "[{viewer: '*', user: 'group:board', sees: nothing}, {viewer: '*', user: '*', sees: all}]",
	})
	for _, user := range []string{"alice@example.test", "bob@example.test"} {
		if got := r.ask(t, clerk, "PUT", "/v1/users/"+user+"/manual", `{"status":"busy"}`); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	shown := func(user string) bool {
		return strings.Contains(r.ask(t, clerk, "GET", "/v1/users/"+user, "").body, `"busy"`)
	}
	if shown("alice@example.test") || !shown("bob@example.test") {
		t.Fatal("alice, who is in the group, is shown, or bob, who is not, is hidden")
	}
	c := r.dial(t, get("/v1/events?user=bob@example.test", signed(testSecret, clerk, time.Now())))
	if !c.until(`"status":"busy"`) {
		t.Fatal("the stream does not tell that bob is busy")
	}
	revision := r.ask(t, clerk, "GET", "/v1/users?user=bob@example.test", "").body
	since, _, _ := strings.Cut(strings.TrimPrefix(revision, `{"revision":`), ",")
	if err := os.WriteFile(file, []byte("- {user: alice@example.test}\n- {user: bob@example.test, groups: [board]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !c.until("event: reset") || !c.until(`"status":"unavailable"`) {
		t.Error("the stream does not tell that bob is hidden")
	}
	if !shown("alice@example.test") || shown("bob@example.test") {
		t.Error("alice, who has left the group, is hidden, or bob, who is in it, is shown")
	}
	if got := r.ask(t, clerk, "GET", "/v1/users?since="+since+"&user=bob@example.test&user=alice@example.test", "").body; strings.Count(got, `"user":`) != 2 {
		t.Errorf("since before the change: %s", got)
	}
}
