package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zarafa/presence/internal/syncbuffer"
)

// firefoxPreferences keep Firefox from talking to its maker, and from asking the user anything.
const firefoxPreferences = `
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.region.network.url", "");
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.search.update", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("browser.topsites.contile.enabled", false);
user_pref("datareporting.healthreport.uploadEnabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("dom.push.connection.enabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("marionette.port", 0);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.trr.mode", 5);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
user_pref("layout.css.prefers-color-scheme.content-override", %d);
`

// firefox is Firefox. It has one colour scheme for all its tabs, so there is a process for each scheme, begun when it is needed.
type firefox struct {
	profile string
	running map[string]*firefoxProcess // by scheme
}

func startFirefox(t testing.TB, profile string) (program, error) {
	f := &firefox{profile: profile, running: map[string]*firefoxProcess{}}
	_, err := f.process(Desktop.Scheme)
	return f, err
}

func (f *firefox) process(scheme string) (*firefoxProcess, error) {
	if p := f.running[scheme]; p != nil {
		return p, nil
	}
	profile, override := f.profile, 1
	if scheme != Desktop.Scheme {
		profile, override = filepath.Join(f.profile, scheme), 0
	}
	p, err := startFirefoxProcess(profile, fmt.Sprintf(firefoxPreferences, override))
	if err != nil {
		return nil, err
	}
	f.running[scheme] = p
	return p, nil
}

func (f *firefox) open(ctx context.Context, look Look, fault func(string)) (tab, error) {
	if look.Language != "" {
		return nil, errors.New("a tab of Firefox has its usual language only")
	}
	p, err := f.process(look.Scheme)
	if err != nil {
		return nil, err
	}
	return p.open(ctx, look, fault)
}

func (f *firefox) close(ctx context.Context) (err error) {
	for _, p := range f.running {
		err = errors.Join(err, p.close(ctx))
	}
	return err
}

// firefoxProcess is a running Firefox.
type firefoxProcess struct {
	*bidi

	profile string
	command *exec.Cmd
	exited  chan struct{}

	mu     sync.Mutex
	faults map[string]func(text string) // of each tab
}

var listening = regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)

func startFirefoxProcess(profile, preferences string) (*firefoxProcess, error) {
	if err := os.MkdirAll(profile, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		return nil, err
	}
	printed := new(syncbuffer.Buffer)
	p := &firefoxProcess{profile: profile, exited: make(chan struct{}), faults: map[string]func(string){}}
	p.command = exec.Command("/usr/bin/firefox-esr", "--headless", "--no-remote", "--marionette", "--remote-debugging-port=0", "--profile", profile)
	p.command.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	p.command.Stdout, p.command.Stderr = printed, printed
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its processes can be ended together
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.command.Wait()
		close(p.exited)
	}()
	if err := p.connect(printed); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w\n%s", err, printed.String())
	}
	return p, nil
}

// connect waits until Firefox says where it listens, and begins a session.
func (p *firefoxProcess) connect(printed *syncbuffer.Buffer) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*timeout)
	defer cancel()
	var address []string
	for ; address == nil; time.Sleep(10 * time.Millisecond) {
		address = listening.FindStringSubmatch(printed.String())
		select {
		case <-p.exited:
			return errEnded
		case <-ctx.Done():
			return errors.New("it does not listen")
		default:
		}
	}
	if p.bidi, err = dial(ctx, address[1]+"/session", p.receive); err != nil {
		return err
	}
	if err := p.call(ctx, "session.new", object{"capabilities": object{}}, nil); err != nil {
		return err
	}
	if err := p.call(ctx, "session.subscribe", object{"events": []string{"log.entryAdded"}}, nil); err != nil {
		return err
	}
	return p.call(ctx, "script.addPreloadScript", object{"functionDeclaration": tellViolations}, nil)
}

// tellViolations makes an error of a violation of the content security policy, for Firefox does not tell WebDriver of it.
const tellViolations = `() => addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) =>
	console.error("the content security policy's " + violatedDirective + " does not allow " + blockedURI))`

type object = map[string]any

// receive passes the errors and warnings of a page on.
func (p *firefoxProcess) receive(method string, params json.RawMessage) {
	var entry struct {
		Level, Text string
		Source      struct{ Context string }
	}
	if method != "log.entryAdded" || json.Unmarshal(params, &entry) != nil || entry.Level != "error" && entry.Level != "warn" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fault := p.faults[entry.Source.Context]; fault != nil {
		fault(entry.Level + ": " + entry.Text)
	}
}

// close ends Firefox, as a user would.
func (p *firefoxProcess) close(ctx context.Context) error {
	defer p.kill()
	if err := p.call(ctx, "session.end", object{}, nil); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	if err := quit(ctx, p.profile); err != nil {
		return err
	}
	select {
	case <-p.exited:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill ends what is left of Firefox and waits for that.
func (p *firefoxProcess) kill() {
	if p.bidi != nil {
		p.bidi.close()
	}
	_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
	<-p.exited
}

// firefoxTab is a tab of Firefox.
type firefoxTab struct {
	process *firefoxProcess
	context string // which is what WebDriver calls a tab
}

func (p *firefoxProcess) open(ctx context.Context, look Look, fault func(string)) (tab, error) {
	var created struct{ Context string }
	if err := p.call(ctx, "browsingContext.create", object{"type": "tab"}, &created); err != nil {
		return nil, err
	}
	t := &firefoxTab{p, created.Context}
	p.mu.Lock()
	p.faults[t.context] = fault
	p.mu.Unlock()
	return t, t.call(ctx, "browsingContext.setViewport", object{"viewport": object{"width": look.Width, "height": look.Height}}, nil)
}

// call sends a command about this tab.
func (f *firefoxTab) call(ctx context.Context, method string, params object, result any) error {
	params["context"] = f.context
	return f.process.call(ctx, method, params, result)
}

func (f *firefoxTab) navigate(ctx context.Context, url string) error {
	return f.call(ctx, "browsingContext.navigate", object{"url": url, "wait": "complete"}, nil)
}

func (f *firefoxTab) eval(ctx context.Context, expression string) (string, error) {
	var evaluated struct {
		Result           struct{ Value string }
		ExceptionDetails *struct{ Text string }
	}
	params := object{"expression": expression, "awaitPromise": true, "target": object{"context": f.context}}
	if err := f.process.call(ctx, "script.evaluate", params, &evaluated); err != nil {
		return "", err
	}
	if thrown := evaluated.ExceptionDetails; thrown != nil {
		return "", errors.New(thrown.Text)
	}
	return evaluated.Result.Value, nil
}

func (f *firefoxTab) click(ctx context.Context, x, y int) error {
	return f.perform(ctx, object{"type": "pointer", "id": "mouse", "actions": []object{
		{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0},
	}})
}

func (f *firefoxTab) press(ctx context.Context, keys string) error {
	var actions []object
	for _, key := range strings.Split(strings.ReplaceAll(keys, "\n", Enter), "") {
		actions = append(actions, object{"type": "keyDown", "value": key}, object{"type": "keyUp", "value": key})
	}
	return f.perform(ctx, object{"type": "key", "id": "keyboard", "actions": actions})
}

func (f *firefoxTab) perform(ctx context.Context, source object) error {
	if err := f.call(ctx, "browsingContext.activate", object{}, nil); err != nil {
		return err
	}
	return f.call(ctx, "input.performActions", object{"actions": []object{source}}, nil)
}

func (f *firefoxTab) screenshot(ctx context.Context) ([]byte, error) {
	var captured struct{ Data []byte } // which JSON has in base64
	err := f.call(ctx, "browsingContext.captureScreenshot", object{}, &captured)
	return captured.Data, err
}

func (f *firefoxTab) close(ctx context.Context) error {
	return f.call(ctx, "browsingContext.close", object{}, nil)
}
