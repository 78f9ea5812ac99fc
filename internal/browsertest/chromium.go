package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/zarafa/presence/internal/syncbuffer"
)

// chromium is a running Chromium.
type chromium struct {
	ctx  context.Context //nolint:containedctx // chromedp identifies a browser by a context
	end  func()
	tabs []*chromiumTab
}

// starts is how often Chromium is started at most: now and then one crashes before it can be used.
const starts = 3

func startChromium(t testing.TB, profile string) (started program, err error) {
	for n := range starts {
		if started, err = launchChromium(profile); err == nil {
			return started, nil
		}
		t.Logf("start %d of %d: %v", n+1, starts, err)
	}
	return nil, err
}

func launchChromium(profile string) (program, error) {
	var printed syncbuffer.Buffer
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("/usr/bin/chromium"), chromedp.CombinedOutput(&printed),
		chromedp.UserDataDir(profile), chromedp.DisableGPU, chromedp.NoSandbox) // the tests run as root
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	c := &chromium{ctx: ctx, end: func() { cancel(); endAllocator() }}
	if err := chromedp.Do(ctx); err != nil {
		c.end()
		return nil, fmt.Errorf("%w\n%s", err, printed.String())
	}
	return c, nil
}

// within gives what identifies a browser or a tab the deadline of another context.
func within(identity, deadline context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(identity)
	stop := context.AfterFunc(deadline, cancel)
	return ctx, func() { stop(); cancel() }
}

// close closes the tabs first, as Chromium does with a window, for the DevTools' Browser.close tells no page of it.
func (c *chromium) close(ctx context.Context) error {
	for _, t := range c.tabs {
		_ = t.close(ctx) // it may have been closed, or have crashed
	}
	ending, stop := within(c.ctx, ctx)
	defer stop()
	err := chromedp.Cancel(ending)
	c.end()
	return err
}

// chromiumTab is a tab of Chromium.
type chromiumTab struct {
	ctx    context.Context //nolint:containedctx // chromedp identifies a tab by a context
	cancel func()
}

func (c *chromium) open(ctx context.Context, look Look, fault func(string)) (tab, error) {
	identity, cancel := chromedp.NewContext(c.ctx)
	t := &chromiumTab{identity, cancel}
	c.tabs = append(c.tabs, t)
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.Scheme}}}
	if _, err := chromedp.Call(identity, emulation.SetEmulatedMedia, media); err != nil {
		return nil, err
	}
	if err := prefer(identity, look.Language); err != nil {
		return nil, err
	}
	if err := chromedp.Listen(identity, func(event any) { collect(event, fault) }); err != nil {
		return nil, err
	}
	return t, t.do(ctx, chromedp.EmulateViewport(look.Width, look.Height))
}

// prefer has the tab of a context ask for a language, as one whose user prefers it.
func prefer(tab context.Context, language string) error {
	if language == "" {
		return nil
	}
	agent, err := chromedp.Run(tab, chromedp.Evaluate[string]("navigator.userAgent"))
	if err != nil {
		return err
	}
	_, err = chromedp.Call(tab, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: language})
	return err
}

func (c *chromiumTab) do(ctx context.Context, action chromedp.Action[chromedp.Void]) error {
	ctx, stop := within(c.ctx, ctx)
	defer stop()
	return chromedp.Do(ctx, action)
}

func (c *chromiumTab) navigate(ctx context.Context, url string) error {
	return c.do(ctx, chromedp.Navigate(url))
}

func (c *chromiumTab) eval(ctx context.Context, expression string) (string, error) {
	ctx, stop := within(c.ctx, ctx)
	defer stop()
	return chromedp.Run(ctx, chromedp.Evaluate[string](expression, chromedp.EvalAwaitPromise))
}

func (c *chromiumTab) click(ctx context.Context, x, y int) error {
	return c.do(ctx, chromedp.MouseClickXY(float64(x), float64(y)))
}

// chromiumKeys translates WebDriver's keys to those of chromedp.
var chromiumKeys = strings.NewReplacer(Backspace, kb.Backspace, Tab, kb.Tab, Enter, kb.Enter, Escape, kb.Escape, End, kb.End, Home, kb.Home,
	ArrowUp, kb.ArrowUp, ArrowDown, kb.ArrowDown)

func (c *chromiumTab) press(ctx context.Context, keys string) error {
	return c.do(ctx, chromedp.KeyEvent(chromiumKeys.Replace(keys)))
}

func (c *chromiumTab) screenshot(ctx context.Context) ([]byte, error) {
	ctx, stop := within(c.ctx, ctx)
	defer stop()
	return chromedp.Run(ctx, chromedp.CaptureScreenshot())
}

func (c *chromiumTab) close(ctx context.Context) error {
	ctx, stop := within(c.ctx, ctx)
	defer stop()
	defer c.cancel()
	return chromedp.Cancel(ctx)
}

// collect passes the errors and warnings of a page on.
func collect(event any, found func(string)) {
	fault := ""
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if entry := event.Entry; entry.Level == log.EntryLevelError || entry.Level == log.EntryLevelWarning {
			fault = fmt.Sprintf("%s: %s %s", entry.Source, entry.Text, entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeWarning || event.Type == runtime.ConsoleAPICalledTypeAssert {
			fault = "console:"
			for _, arg := range event.Args {
				fault += " " + string(arg.Value) + arg.Description
			}
		}
	case *runtime.EventExceptionThrown:
		fault = "exception: " + event.ExceptionDetails.Text
		if thrown := event.ExceptionDetails.Exception; thrown != nil {
			fault += " " + thrown.Description
		}
	}
	if fault != "" {
		found(fault)
	}
}
