package linelog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zarafa/presence/daemon/internal/linelog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// disk is an output that can be full, and as slow as a test wants.
type disk struct {
	mu      sync.Mutex
	content bytes.Buffer
	room    int           // in bytes; negative: any
	hang    chan struct{} // a write waits until it is closed; nil: none
	closed  bool
}

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	hang := d.hang
	d.mu.Unlock()
	if hang != nil {
		<-hang
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room >= 0 && len(p) > d.room {
		n, _ := d.content.Write(p[:d.room])
		d.room = 0
		return n, errors.New("no space left on device")
	}
	if d.room >= 0 {
		d.room -= len(p)
	}
	return d.content.Write(p)
}

func (d *disk) Close() error {
	d.closed = true
	return nil
}

// on runs a test in fake time with a log on a disk.
func on(t *testing.T, test func(l *linelog.Log, d *disk, trouble *bytes.Buffer)) {
	synctest.Test(t, func(t *testing.T) {
		var trouble bytes.Buffer
		l, d := linelog.New("log.audit", slog.New(slog.NewTextHandler(&trouble, nil))), &disk{room: -1}
		l.Configure(d, linelog.JSON)
		test(l, d, &trouble)
		if err := l.Close(); err != nil || !d.closed {
			t.Errorf("Close: %v; the output is closed: %v", err, d.closed)
		}
	})
}

// settle waits until everything is written.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

func TestLinesAreWritten(t *testing.T) {
	on(t, func(l *linelog.Log, d *disk, trouble *bytes.Buffer) {
		for i := range 1000 {
			l.Logger.Info("set", "n", i)
		}
		settle()
		if n := strings.Count(d.content.String(), "\n"); n != 1000 || trouble.Len() > 0 {
			t.Errorf("%d lines, trouble: %s", n, trouble)
		}
		l.Logger.Info("last")
		_ = l.Close()
		if !strings.Contains(d.content.String(), `"msg":"last"`) {
			t.Error("Close has not written what waited")
		}
	})
}

func TestOffAndAnotherOutput(t *testing.T) {
	on(t, func(l *linelog.Log, d *disk, _ *bytes.Buffer) {
		l.Logger.Info("first")
		settle()
		other := &disk{room: -1}
		l.Configure(other, linelog.Text)
		l.Logger.Info("second")
		settle()
		if got := d.content.String(); !d.closed || strings.Contains(got, "second") || !strings.Contains(got, "first") {
			t.Errorf("closed %v: %s", d.closed, got)
		}
		l.Configure(nil, nil)
		if l.Logger.Enabled(t.Context(), slog.LevelError) {
			t.Error("it is not off")
		}
		l.Logger.Info("third")
		settle()
		if got := other.content.String(); !strings.HasSuffix(got, "level=INFO msg=second\n") || !other.closed {
			t.Errorf("closed %v: %s", other.closed, got)
		}
	})
}

// TestNobodyWaits has an output that hangs. What does not fit into the queue is lost, and the log and the daemon's log say how much.
func TestNobodyWaits(t *testing.T) {
	on(t, func(l *linelog.Log, d *disk, trouble *bytes.Buffer) {
		release := make(chan struct{})
		d.hang = release
		l.Logger.Info("this one hangs")
		settle()
		text := strings.Repeat("x", 1000)
		const lines = 20_000
		for range lines { // 20 MB; a lock or a write would wait for ever here
			l.Logger.Info(text)
		}
		close(release)
		settle()
		var written, lost int
		for line := range strings.Lines(d.content.String()) {
			var got struct {
				Msg   string
				Lines int
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if got.Msg == text {
				written++
			}
			lost += got.Lines
		}
		if written < 7000 || lost == 0 || written+lost != lines {
			t.Errorf("%d lines are written, %d are said to be missing, of %d", written, lost, lines)
		}
		if want := fmt.Sprintf(`level=WARN msg="log.audit cannot be written quickly enough: lines are lost" lines=%d`, lost); !strings.Contains(trouble.String(), want) {
			t.Errorf("the daemon's log: %s", trouble)
		}
	})
}

// TestFullDisk: what a full disk does not take is lost and counted. A line that is there in part spoils no other. The daemon's log has a line a minute.
func TestFullDisk(t *testing.T) {
	on(t, func(l *linelog.Log, d *disk, trouble *bytes.Buffer) {
		d.room = 100 // in the middle of the second line
		for range 600 {
			l.Logger.Info("a message of forty bytes, or a few more")
			time.Sleep(time.Second)
		}
		if n := strings.Count(trouble.String(), "\n"); n < 9 || n > 12 || !strings.Contains(trouble.String(), "no space left on device") {
			t.Errorf("%d lines in the daemon's log:\n%s", n, trouble)
		}
		d.mu.Lock()
		d.room = -1
		d.mu.Unlock()
		l.Logger.Info("there is room")
		settle()
		lines := strings.Split(strings.TrimSpace(d.content.String()), "\n")
		if len(lines) != 4 || !strings.Contains(lines[2], `"msg":"lines are missing here","lines":5`) || !strings.Contains(lines[3], "there is room") {
			t.Errorf("%d lines:\n%s", len(lines), strings.Join(lines, "\n"))
		}
	})
}

// A log whose output hangs for ever does not keep the daemon from ending.
func TestCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, d := linelog.New("log.access", slog.New(slog.DiscardHandler)), &disk{room: -1, hang: make(chan struct{})}
		l.Configure(d, linelog.Text)
		l.Logger.Info("this one hangs")
		settle()
		if err := l.Close(); err == nil || !strings.HasPrefix(err.Error(), "log.access: ") {
			t.Errorf("Close: %v", err)
		}
		close(d.hang)
		synctest.Wait()
	})
}

// BenchmarkLine is what a request pays for a line.
func BenchmarkLine(b *testing.B) {
	for name, format := range map[string]linelog.Format{"text": linelog.Text, "json": linelog.JSON} {
		b.Run(name, func(b *testing.B) {
			l := linelog.New("log.access", slog.New(slog.DiscardHandler))
			l.Configure(io.Discard, format)
			b.ReportAllocs()
			for b.Loop() {
				l.Logger.LogAttrs(b.Context(), slog.LevelInfo, "request", slog.String("method", "GET"), slog.String("route", "/v1/users/:user"), slog.Int("status", 200),
					slog.Float64("duration_ms", 0.123), slog.String("user", "markd@zarafa.com"), slog.String("address", "192.0.2.1"), slog.String("request_id", "5eac7d1e21603f72"))
			}
			_ = l.Close()
		})
	}
}
