package command

import (
	"strings"
	"testing"
)

// TestWhichRuleDecides: an administrator asks why somebody sees a user so, in each way that the rules can decide, and again after a reload.
func TestWhichRuleDecides(t *testing.T) {
	const (
		alice, bob, carl = "alice@example.test", "bob@example.test", "carl@example.test"
		desk, pbx        = "desk@example.test", "pbx@example.test"
		rules            = "[{viewer: service, user: '*', sees: all}, {viewer: bob@example.test, user: 'group:board', sees: status}, " +
			"{viewer: carl@example.test, user: alice@example.test, sees: nothing}]"
		busy = "The user is busy. You see no more of this user than the status.\n"
		none = "The user is unavailable, because no protocol knows the user.\n"
	)
	r := reloads(t, map[string]string{
		"auth.services": "[" + desk + ", " + pbx + "]", "visibility": rules, "identities": "[{user: alice@example.test, groups: [board]}]",
	})
	why := func(what, viewer, user string, want result) {
		t.Helper()
		if got := command(noConfig, "why", "--config", r.file, "--url", r.url, "--as", viewer, user); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	set := func(body string) {
		t.Helper()
		if got := r.ask(t, alice, "PUT", "/v1/users/"+alice+"/manual", body); got.status != 204 {
			t.Fatalf("PUT: %d %s", got.status, got.body)
		}
	}
	set(`{"status":"busy"}`)
	why("a rule, by a group", bob, alice, result{0, busy + "bob@example.test sees the status alone: rule 2 of visibility.\n", ""})
	why("another rule", carl, alice, result{0, none + "carl@example.test sees nothing: rule 3 of visibility.\n", ""})
	why("no rule", carl, bob, result{0, none + "carl@example.test sees nothing: no rule of visibility matches.\n", ""})
	why("oneself, in another spelling", "Carl@Example.test", carl, result{0, none + "carl@example.test sees all, as everybody does of themselves.\n", ""})
	why("a service", desk, bob, result{0, none + "desk@example.test sees all: rule 1 of visibility.\n", ""})

	set(`{"status":"busy","invisible":true,"ttl":3600}`)
	const unseen = "The user is unavailable. You see no more of this user than the status.\nbob@example.test sees the status alone: rule 2 of visibility.\n"
	why("a user whose invisibility no service sees", bob, alice, result{0, unseen, ""})
	if status := r.change(t, map[string]string{"auth.see_invisible": "[" + pbx + "]"}); status == "" {
		t.Fatal("the reload says nothing")
	}
	const invisible = "alice@example.test is invisible, so bob@example.test is shown the user as unavailable.\n"
	why("a user whose invisibility a service sees", bob, alice, result{0, unseen + invisible, ""})
	if status := r.change(t, map[string]string{"auth.see_invisible": "[" + pbx + "]", "visibility": "[]"}); status == "" {
		t.Fatal("the reload says nothing")
	}
	shown := command(noConfig, "why", "--config", r.file, "--url", r.url, "--as", bob, alice)
	if shown.code != 0 || !strings.HasSuffix(shown.stdout, "\nSo the user is unavailable, because only manual knows the user.\n"+invisible) || shown.stderr != "" {
		t.Errorf("invisible without rules: %+v", shown)
	}
	set(`{"status":"unavailable"}`)
	why("nothing to say", carl, bob, result{0, none, ""})
}

// TestNoServiceIsToldOfItself: no other service is there, so nobody can ask. That is said, because there are rules; the command has done what it can.
func TestNoServiceIsToldOfItself(t *testing.T) {
	r := reloads(t, map[string]string{"visibility": "[{viewer: '*', user: '*', sees: all}]"})
	want := result{0, "The user is unavailable, because no protocol knows the user.\n",
		"zarafa-presence: which rule of visibility decides is told to services other than " + clerk + " alone, and auth.services has none\n"}
	if got := command(noConfig, "why", "--config", r.file, "--url", r.url, "--as", clerk, markd); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
