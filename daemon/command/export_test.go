package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/zarafa/presence/adapters/clock"
	"github.com/zarafa/presence/adapters/http/backup"
	"github.com/zarafa/presence/app"
	"github.com/zarafa/presence/app/image"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/coretest"
	"github.com/zarafa/presence/internal/freeport"
	"github.com/zarafa/presence/ports"
)

const goodLine = `{"user":"markd@zarafa.com","protocol":"spreed","status":"busy","message":"in a meeting","since":"2026-11-23T09:00:00.000000000Z","updated":"2026-11-23T09:14:30.123456789Z","expires":"2026-11-23T09:16:30.123456789Z","stale":true}`

// somePresences are lines in the order of an export: every status, messages of every kind, what holds for ever, what has expired, what is stale.
const somePresences = `{"user":"alice@example.test","protocol":"spreed","status":"away","message":"","since":"2026-11-01T09:00:00.000000001Z","updated":"2026-11-01T09:00:00.000000001Z","stale":false}
{"user":"alice@example.test","protocol":"xmpp","status":"unavailable","message":"","since":"2026-11-01T09:00:00.000000000Z","updated":"2026-11-01T09:00:00.000000000Z","stale":true}
{"user":"bob@example.test","protocol":"spreed","status":"available","message":"a\nline, \"quotes\", <tags> & a \u0000","since":"2026-11-01T09:00:00.000000000Z","updated":"2026-11-01T09:00:00.000000000Z","expires":"2026-11-01T09:02:00.000000000Z","stale":false}
{"user":"müller@example.test","protocol":"xmpp","status":"busy","message":"größer 🙂","since":"2026-11-01T08:00:00.000000000Z","updated":"2026-11-01T09:00:00.123456789Z","expires":"2262-04-11T23:47:16.854775807Z","stale":true}
`

// yesterday is a day that is not so long ago that a store would forget what happened then.
var yesterday = time.Now().AddDate(0, 0, -1).UTC().Format(time.DateOnly)

// lately puts what happened on a day long ago into yesterday.
func lately(text string) string { return strings.ReplaceAll(text, "2026-11-01", yesterday) }

// pipe carries out a command line with a standard input.
func pipe(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(args, strings.NewReader(stdin), &stdout, &stderr, noConfig)
	return result{code, stdout.String(), stderr.String()}
}

func importing(t *testing.T, dir, text, want string) {
	t.Helper()
	got := pipe(text, "import", "--store.dir", dir)
	if got.code != 0 || got.stderr != want+"\n" || got.stdout != "" {
		t.Fatalf("import: %+v, want %s", got, want)
	}
}

func exported(t *testing.T, dir string) string {
	t.Helper()
	got := pipe("", "export", "--store.dir", dir)
	if got.code != 0 {
		t.Fatalf("export: %+v", got)
	}
	return got.stdout
}

// What is exported from one store and imported into another is the same there.
func TestRoundTrip(t *testing.T) {
	one, two, want := filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "store"), lately(somePresences)
	importing(t, one, want, "4 presences imported into "+one)
	file := filepath.Join(t.TempDir(), "presences.jsonl")
	if err := os.WriteFile(file, []byte("what was there before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got := command(nil, "export", "--store.dir", one, file)
	if got.code != 0 || got.stdout != "" || got.stderr != "4 presences exported from "+one+"\n" {
		t.Fatalf("export: %+v", got)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != want {
		t.Errorf("the file has\n%s\nwant\n%s", text, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v, want -rw-------", info.Mode())
	}
	if got := command(nil, "import", "--store.dir", two, file); got.code != 0 || got.stderr != "4 presences imported into "+two+"\n" {
		t.Fatalf("import: %+v", got)
	}
	if got := exported(t, two); got != want {
		t.Errorf("in the second store there is\n%s\nwant\n%s", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// To remove what nobody has updated for store.retain is the daemon's task: an export of a store that was out of use for long has everything, and
// leaves it there.
func TestExportForgetsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	want := strings.ReplaceAll(somePresences, "2026-11-01", time.Now().AddDate(0, 0, -90).UTC().Format(time.DateOnly))
	importing(t, dir, want, "4 presences imported into "+dir)
	for range 3 { // the removal would go on meanwhile
		if got := exported(t, dir); got != want {
			t.Fatalf("there is\n%s\nwant\n%s", got, want)
		}
	}
}

// A presence is taken over only if it is later than what is there.
func TestImportIsIdempotent(t *testing.T) {
	dir, first := filepath.Join(t.TempDir(), "store"), lately(somePresences)
	importing(t, dir, first, "4 presences imported into "+dir)
	importing(t, dir, first, "0 presences imported into "+dir+", 4 left as they are")
	if got := exported(t, dir); got != first {
		t.Errorf("after a second time there is\n%s\nwant\n%s", got, first)
	}
	lines := strings.SplitAfter(first, "\n")
	older := strings.NewReplacer("T09:00:00.000000001Z", "T09:00:00.000000000Z", "away", "busy").Replace(lines[0])
	same := strings.Replace(lines[1], "unavailable", "busy", 1)
	newer := strings.NewReplacer(`"updated":"`+yesterday+"T09:00:00.000000000Z", `"updated":"`+yesterday+"T09:00:00.000000001Z", "available", "busy").Replace(lines[2])
	importing(t, dir, older+same+newer+lines[3], "1 presence imported into "+dir+", 3 left as they are")
	if got, want := exported(t, dir), lines[0]+lines[1]+newer+lines[3]; got != want {
		t.Errorf("there is\n%s\nwant\n%s", got, want)
	}
	// One file may say several things of a presence: the latest counts, wherever it stands.
	fresh := filepath.Join(t.TempDir(), "store")
	importing(t, fresh, newer+lines[2]+newer, "1 presence imported into "+fresh+", 2 left as they are")
	if got := exported(t, fresh); got != newer {
		t.Errorf("there is\n%s\nwant\n%s", got, newer)
	}
}

// With a line that is wrong nothing happens at all, unless it is to be left out.
func TestImportOfInvalidLines(t *testing.T) {
	dir, good := filepath.Join(t.TempDir(), "store"), lately(somePresences)
	bad := good + "\n{}\n" + strings.Repeat("x", 64<<10+1) + "\n" + good[:70]
	file := write(t, "presences.jsonl", bad)
	faults := []string{
		file + ":6: user is missing",
		file + ":7: the line is longer than 65536 bytes",
		file + ":8: not JSON at byte 70: \"unexpected EOF\"",
	}
	got := command(nil, "import", "--store.dir", dir, file)
	want := "zarafa-presence: " + strings.Join(faults, "\nzarafa-presence: ") +
		"\nzarafa-presence: nothing was imported, because 3 lines of " + file + " cannot be; --skip-invalid imports the others\n"
	if got.code != 2 || got.stderr != want {
		t.Errorf("exit code %d, stderr\n%s\nwant 2 and\n%s", got.code, got.stderr, want)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store was made: %v", err)
	}
	got = command(nil, "import", "--skip-invalid", "--store.dir", dir, file)
	warning := "zarafa-presence: warning: left out: "
	want = warning + strings.Join(faults, "\n"+warning) + "\n4 presences imported into " + dir + ", 3 invalid lines left out\n"
	if got.code != 0 || got.stderr != want {
		t.Errorf("exit code %d, stderr\n%s\nwant 0 and\n%s", got.code, got.stderr, want)
	}
	if got := exported(t, dir); got != good {
		t.Errorf("there is\n%s\nwant\n%s", got, good)
	}
	got = pipe(strings.Repeat("{}\n", 50), "import", "--store.dir", dir)
	if lines := strings.Split(got.stderr, "\n"); got.code != 2 || len(lines) != maxFaults+3 || lines[maxFaults] != "zarafa-presence: and 30 more" {
		t.Errorf("50 wrong lines: exit code %d, stderr\n%s", got.code, got.stderr)
	}
}

// What export and import say when they cannot do anything.
func TestExportAndImportFail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	importing(t, dir, lately(somePresences), "4 presences imported into "+dir)
	empty, there := t.TempDir(), filepath.Dir(write(t, "thesis.txt", "not presences"))
	file := filepath.Join(there, "thesis.txt")
	foreign := t.TempDir()
	if err := os.Chown(foreign, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"memory", []string{"export", "--store.kind=memory"}, 2, "store.kind: with memory the presences are in the daemon alone: there is nothing to export, and nowhere to import to"},
		{"into memory", []string{"import", "--store.kind=memory"}, 2, "store.kind: with memory"},
		{"two files", []string{"export", "a", "b"}, 2, `too many arguments from "b" on: expected one file, or none`},
		{"no store", []string{"export", "--store.dir", dir + "x"}, 1, "store.dir: there are no presences in " + dir + "x; name the directory that the daemon has"},
		{"an empty directory", []string{"export", "--store.dir", empty}, 1, "store.dir: there are no presences in " + empty},
		{"another directory", []string{"export", "--store.dir", there}, 1, "store.dir: " + there + " holds something else than a presence store"},
		{"another's directory", []string{"import", "--store.dir", foreign, os.DevNull}, 1, "store.dir: " + foreign + " is in the hands of the user with the number 4711, whose daemon could not use what root writes there; run this as that user"},
		{"another's directory above", []string{"import", "--store.dir", foreign + "/a/b", os.DevNull}, 1, "store.dir: " + foreign + "/a/b is in the hands of the user with the number 4711"},
		{"a wrong configuration", []string{"export", "--store.url=nats://127.0.0.1:4222", "--store.replicas=2"}, 2, "--store.replicas: must be 1, 3 or 5, it is 2"},
		{"to a directory", []string{"export", "--store.dir", dir, there}, 1, "nothing was exported: " + there + " is a directory"},
		{"to nowhere", []string{"export", "--store.dir", dir, there + "/no/x.jsonl"}, 1, "nothing was exported: open " + there + "/no/.x.jsonl-"},
		{"to a full disk", []string{"export", "--store.dir", dir, "/dev/full"}, 1, "nothing was exported: write /dev/full: no space left on device"},
		{"from nowhere", []string{"import", "--store.dir", dir, there + "/x.jsonl"}, 2, "open " + there + "/x.jsonl: no such file or directory"},
		{"from a directory", []string{"import", "--store.dir", dir, there}, 2, there + " is a directory"},
		{"from another file", []string{"import", "--store.dir", dir, file}, 2, file + ":1: not JSON at byte 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := command(nil, test.args...)
			if got.code != test.code || !strings.HasPrefix(got.stderr, "zarafa-presence: "+test.want) || got.stdout != "" {
				t.Errorf("exit code %d, stderr %q, stdout %q\nwant %d and %q", got.code, got.stderr, got.stdout, test.code, test.want)
			}
		})
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "not presences" {
		t.Errorf("%s has %q now", file, text)
	}
}

// A running daemon is asked, and no other process gets at its directory.
func TestExportFromADaemon(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	environ := append(slices.Clone(secretEnv), "PRESENCE_AUTH__SERVICES=backup@example.test")
	d := serve(t, environ, "--http.listen=127.0.0.1:0", "--store.kind=bolt", "--store.dir", dir)
	listen := "--http.listen=" + strings.TrimSuffix(strings.TrimPrefix(d.url, "http://"), "/")
	const never = "2262-04-11T23:47:16.854775807Z" // so that nothing expires meanwhile
	text := strings.Replace(lately(somePresences), yesterday+"T09:02:00.000000000Z", never, 1)
	file := write(t, "presences.jsonl", text+strings.Repeat(strings.Replace(text, "größer", strings.Repeat("ö", 2000), 1), 700)) // 3 MB
	if got := command(environ, "import", listen, file); got.code != 0 || !strings.HasPrefix(got.stderr, "4 presences imported into "+d.url+", ") {
		t.Fatalf("import: %+v", got)
	}
	if got := command(environ, "export", listen); got.code != 0 || got.stdout != text || got.stderr != "4 presences exported from "+d.url+"\n" {
		t.Errorf("export: %+v, want\n%s", got, text)
	}
	for _, name := range []string{"export", "import"} {
		got := command(environ, name, listen, "--store.dir", dir)
		if want := "zarafa-presence: store.dir: " + dir + " is in use by another zarafa-presence; stop that one first\n"; got.code != 1 || got.stderr != want {
			t.Errorf("%s: exit code %d, stderr %q, want 1 and %q", name, got.code, got.stderr, want)
		}
		if got := command(environ, name, listen, "--as", string(markd), file); got.code != exitRefused {
			t.Errorf("%s by somebody who is no service: %+v", name, got)
		}
		if got := command(secretEnv, name, "--url", d.url); got.code != exitUsage || !strings.Contains(got.stderr, "auth.services lists no service") {
			t.Errorf("%s without a service: %+v", name, got)
		}
	}
	d.terminate(syscall.SIGTERM)
	if got := exported(t, dir); got != text {
		t.Errorf("when it has stopped there is\n%s\nwant\n%s", got, text)
	}
	if got := command(environ, "export", "--url", d.url); got.code != exitUnreachable {
		t.Errorf("export from a daemon that has ended: %+v", got)
	}
}

// A backup is made for a service that sees users who are invisible as they are, if there is one: else their settings are missing, or unavailable.
func TestExportSeesTheInvisible(t *testing.T) {
	environ := append(slices.Clone(secretEnv), "PRESENCE_AUTH__SERVICES=crm@example.test,backup@example.test", "PRESENCE_AUTH__SEE_INVISIBLE=backup@example.test")
	d := serve(t, environ, "--http.listen=127.0.0.1:0")
	if got := command(environ, "set", "--url", d.url, "--invisible", "--for", "1h", string(markd), "busy"); got.code != 0 {
		t.Fatalf("set: %+v", got)
	}
	if got := command(environ, "export", "--url", d.url); got.code != 0 || !strings.Contains(got.stdout, `"invisible":true`) {
		t.Errorf("export: %+v", got)
	}
	if got := command(environ, "export", "--url", d.url, "--as", "crm@example.test"); got.code != 0 || got.stdout != "" {
		t.Errorf("export for a service that does not see it: %+v", got)
	}
}

// An export that ends early is never shown as complete: not when the daemon breaks off, and not when somebody interrupts it.
func TestExportThatEndsEarly(t *testing.T) {
	sent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, goodLine+"\n"+goodLine+"\n")
		_ = http.NewResponseController(w).Flush()
		if strings.HasPrefix(r.URL.Path, "/breaks/") {
			panic(http.ErrAbortHandler)
		}
		close(sent)
		<-r.Context().Done()
	}))
	defer server.Close()
	file := write(t, "presences.jsonl", "old")
	args := []string{"export", "--token", "x", "--url", server.URL + "/breaks"}
	got := command(nil, append(args, file)...)
	want := "zarafa-presence: nothing was exported: cannot reach the daemon at " + server.URL + "/breaks: unexpected EOF; is it running?\n"
	if text, _ := os.ReadFile(file); got.code != exitUnreachable || got.stderr != want || string(text) != "old" {
		t.Errorf("%+v, want %s; the file has %q", got, want, text)
	}
	if got := command(nil, args...); got.code != exitUnreachable || !strings.HasPrefix(got.stderr, "zarafa-presence: the export is not complete: ") {
		t.Errorf("to standard output: %+v", got)
	}
	if all, _ := os.ReadDir(filepath.Dir(file)); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}

	program := start(t, []string{"GORACE=atexit_sleep_ms=0"}, "export", "--token", "x", "--url", server.URL+"/hangs", file)
	<-sent
	began := time.Now()
	if err := program.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // it fails, as it should
	stderr := program.Stderr.(*output).String()
	if text, _ := os.ReadFile(file); program.ProcessState.ExitCode() != 1 || stderr != "zarafa-presence: nothing was exported: interrupted\n" || string(text) != "old" {
		t.Errorf("interrupted: it ended with %v and said %q; the file has %q", program.ProcessState, stderr, text)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it went on for %v", took)
	}
}

// A daemon that is loading says so, and so do the commands.
func TestExportFromADaemonThatIsLoading(t *testing.T) {
	environ := append(slices.Clone(secretEnv), "PRESENCE_AUTH__SERVICES=backup@example.test")
	program := start(t, environ, "serve", "--http.listen=127.0.0.1:0", "--store.kind=nats", "--store.url=nats://"+freeport.Address(t))
	log := program.Stderr.(*output)
	eventually(t, "it waits for NATS", func() bool { return strings.Contains(log.String(), "store waiting for NATS") })
	_, after, _ := strings.Cut(log.String(), "msg=listening url=")
	for _, name := range []string{"export", "import"} {
		got := command(environ, name, "--url", strings.Fields(after)[0], write(t, "presences.jsonl", goodLine))
		if got.code != 1 || !strings.Contains(got.stderr, "refused (503): ") || !strings.Contains(got.stderr, "the presences are being loaded; try again") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// An export that breaks leaves the old file as it was, and nothing else.
func TestReplaceFile(t *testing.T) {
	file := write(t, "presences.jsonl", "old")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is full")
	err := replaceFile(link, func(w io.Writer) error {
		_, _ = io.WriteString(w, "half")
		return broken
	})
	if text, _ := os.ReadFile(file); !errors.Is(err, broken) || string(text) != "old" {
		t.Errorf("after %v the file has %q", err, text)
	}
	if err := replaceFile(link, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(file); string(text) != "new" {
		t.Errorf("the file has %q", text)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v", err)
	}
	if all, _ := os.ReadDir(filepath.Dir(file)); len(all) != 1 {
		t.Errorf("left behind: %v", all)
	}
}

// A signal ends an export and an import, and nothing half-done is shown as done.
func TestInterrupted(t *testing.T) {
	program := start(t, []string{"GORACE=atexit_sleep_ms=0"}, "export", "--store.kind=nats", "--store.url=nats://"+freeport.Address(t))
	stderr := program.Stderr.(*output)
	eventually(t, "it waits for a server", func() bool { return strings.Contains(stderr.String(), "store waiting for NATS") })
	if err := program.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); program.ProcessState.ExitCode() != 1 || !strings.HasSuffix(stderr.String(), "zarafa-presence: interrupted\n") {
		t.Errorf("it ended with %v and said %q", err, stderr.String())
	}

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	store := app.NewBackup(coretest.Start(t).Core, clock.New(), nil)
	change, err := backup.Parse([]byte(goodLine))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Import(t.Context(), domain.Principal{}, []domain.Change{change}); err != nil {
		t.Fatal(err)
	}
	quiet := newProgress(io.Discard)
	if _, err := writeLines(ended, io.Discard, store, quiet); !errors.Is(err, errInterrupted) {
		t.Errorf("export: %v", err)
	}
	if _, err := readLines(ended, strings.NewReader(goodLine), standard, quiet); !errors.Is(err, errInterrupted) {
		t.Errorf("import: %v", err)
	}
	if n, err := importAll(ended, store, []domain.Change{change}, quiet); !errors.Is(err, errInterrupted) || n != 0 {
		t.Errorf("import of what was read: %d, %v", n, err)
	}
}

// contend makes somebody else always a little faster: before the next appends another daemon writes what next says.
func contend(t *testing.T, core *coretest.Core, user domain.UserID, next domain.Presence, left int) {
	if left == 0 {
		return
	}
	core.Journal.Before(1, func() error {
		old, known := core.Presences(user).On(next.Protocol)
		if !known {
			old.Protocol = next.Protocol
		}
		next.Updated++
		core.Elsewhere(t, 0, image.Write{User: user, Old: old, New: next})
		contend(t, core, user, next, left-1)
		return nil
	})
}

// What a daemon of the cluster writes at the same time is neither lost nor an obstacle.
func TestImportWhileOthersWrite(t *testing.T) {
	change, err := backup.Parse([]byte(goodLine))
	if err != nil {
		t.Fatal(err)
	}
	user, p := change.User, change.Presence
	older, newer := p, p
	older.Updated, older.Status = p.Updated-100, domain.Away
	newer.Updated, newer.Status = p.Updated+100, domain.Available
	for _, test := range []struct {
		other    domain.Presence
		imported int
		want     domain.Status
	}{{older, 1, domain.Busy}, {newer, 0, domain.Available}} {
		core := coretest.Start(t)
		contend(t, core, user, test.other, 3)
		imported, err := importAll(t.Context(), app.NewBackup(core.Core, clock.New(), nil), []domain.Change{change}, newProgress(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := core.Presences(user).On(p.Protocol); got.Status != test.want || imported != test.imported {
			t.Errorf("there is %v, %d imported; want %v and %d", got.Status, imported, test.want, test.imported)
		}
	}
}

// inBatches looks at how many presences are written at once.
type inBatches struct {
	ports.Backup
	t *testing.T
}

func (b inBatches) Import(ctx context.Context, by domain.Principal, presences []domain.Change) (int, error) {
	if len(presences) > importBatch {
		b.t.Fatalf("%d presences at once", len(presences))
	}
	return b.Backup.Import(ctx, by, presences)
}

// Many more presences than are written at once.
func TestImportBatches(t *testing.T) {
	to := inBatches{app.NewBackup(coretest.Start(t).Core, clock.New(), nil), t}
	var all []domain.Change
	change, err := backup.Parse([]byte(goodLine))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10*importBatch + 7 {
		change.User = domain.UserID(fmt.Sprintf("user%d@example.test", i))
		all = append(all, change)
	}
	if n, err := importAll(t.Context(), to, all, newProgress(io.Discard)); err != nil || n != 10*importBatch+7 {
		t.Errorf("%d imported, %v", n, err)
	}
}

// terminal makes a terminal: what is written to slave can be read from master.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	var number, locked int32
	for _, request := range []struct {
		code uintptr
		at   *int32
	}{{syscall.TIOCGPTN, &number}, {syscall.TIOCSPTLCK, &locked}} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request.code, uintptr(unsafe.Pointer(request.at))); errno != 0 {
			t.Fatal(errno)
		}
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// On a terminal a number is drawn, and it is gone at the end. Elsewhere there is only the last line.
func TestProgress(t *testing.T) {
	master, slave := terminal(t)
	var file bytes.Buffer
	for _, to := range []io.Writer{slave, &file} {
		p := newProgress(to)
		p.draw("exporting: %d of %d", 0, 1000)
		p.drawn = p.drawn.Add(-redraw)
		p.draw("exporting: %d of %d", 420, 1000)
		p.draw("exporting: %d of %d", 430, 1000) // too soon after
		p.say("%s exported", plural(1000, "presence"))
	}
	buf := make([]byte, 1000)
	var got string
	for !strings.HasSuffix(got, "exported\r\n") {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	want := clearLine + "exporting: 0 of 1000" + clearLine + "exporting: 420 of 1000" + clearLine + "1000 presences exported\r\n"
	if got != want {
		t.Errorf("the terminal shows\n%q\nwant\n%q", got, want)
	}
	if file.String() != "1000 presences exported\n" {
		t.Errorf("a file gets %q", file.String())
	}
}
