package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// maxPayload is how large an entry of the journal may be: a request of 10,000 users makes less than half of it.
const maxPayload = 8 << 20

// startWithin is how long the engine may take to start, its recovery after a kill included.
const startWithin = 5 * time.Minute

// embedded is the engine in this process: a NATS server that listens nowhere.
type embedded struct {
	dir    *directory
	server *server.Server
	hangs  atomic.Bool // it will never answer again
}

// maxStore is more than any disk has. Left to itself the engine takes three quarters of what is free when it starts, and refuses to write
// more although there is room by then.
const maxStore = 1 << 60

// startEmbedded starts the engine on a directory, which it creates if need be.
func startEmbedded(path string, always bool, log *slog.Logger) (*embedded, error) {
	dir, err := openDirectory(path, log)
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: "zarafa-presence",
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   dir.streams(),
		SyncAlways: always,
		MaxPayload: maxPayload,

		JetStreamMaxStore: maxStore,
	}
	engine, err := server.NewServer(options)
	if err != nil {
		_ = dir.close()
		return nil, fmt.Errorf("the embedded NATS server: %w", err)
	}
	engine.SetLoggerV2(engineLog{log}, false, false, false)
	go engine.Start()
	if !engine.ReadyForConnections(startWithin) || !engine.JetStreamEnabled() {
		engine.Shutdown()
		engine.WaitForShutdown()
		_ = dir.close()
		return nil, fmt.Errorf("the embedded NATS server does not start on %s; what it says is in the log", path)
	}
	return &embedded{dir: dir, server: engine}, nil
}

// patience is for how many seconds the engine may keep us waiting although its disk answers.
const patience = 30

// errHangs says that the engine neither answers nor can be stopped any more: only the end of the process helps. Version 2.15 of it locks itself
// out if the disk becomes full in the very moment when it shortens a stream.
var errHangs = errors.New("the embedded NATS server hangs")

// await calls what may never return. Seconds count only when this process runs, and until its disk answers none are counted.
func (e *embedded) await(call func() error) error {
	if e.hangs.Load() {
		return errHangs
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for waited := 0; waited < patience; waited++ {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			e.dir.touch()
		}
	}
	e.hangs.Store(true)
	return errHangs
}

// broken returns why the engine writes no more: it keeps to that after any fault of the disk, also when there is room again. It returns nil as
// long as the engine works.
func (e *embedded) broken() error { return e.await(e.health) }

func (e *embedded) health() error {
	if !e.server.JetStreamEnabled() {
		return errors.New("JetStream has shut itself down")
	}
	if health := e.server.Healthz(nil); health.Status != "ok" {
		return errors.New(health.Error)
	}
	return nil
}

// leastRoom is how much room there has to be on the disk for another attempt, in bytes: enough for some snapshots' chunks and blocks of the
// journal.
const leastRoom = 32 << 20

// mend lets an engine that writes no more begin anew with what is on the disk, not with what it has noted: it counts what it could not write.
func (e *embedded) mend() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(e.dir.path, &disk); err != nil {
		return fmt.Errorf("store.dir: %w", err)
	}
	if room := disk.Bavail * uint64(disk.Bsize); room < leastRoom { //nolint:gosec // a size is not negative
		return fmt.Errorf("the disk of %s has room for %d MB, at least %d are needed", e.dir.path, room>>20, leastRoom>>20)
	}
	if err := e.await(e.server.ShutdownJetStream); err != nil {
		return fmt.Errorf("the embedded NATS server: %w", err)
	}
	if err := e.dir.removeIndexes(); err != nil {
		return err
	}
	if err := e.server.EnableJetStream(&server.JetStreamConfig{StoreDir: e.dir.streams(), MaxStore: maxStore}); err != nil {
		return fmt.Errorf("the embedded NATS server: %w", err)
	}
	return nil
}

// connect is how a client gets to the engine.
func (e *embedded) connect() natsgo.Option { return natsgo.InProcessServer(e.server) }

// stop writes everything to the disk and ends the engine, unless that hangs.
func (e *embedded) stop() error {
	broken := e.broken() != nil
	err := e.await(func() error {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		return nil
	})
	if broken && err == nil {
		err = e.dir.removeIndexes()
	}
	return errors.Join(err, e.dir.close())
}

// engineLog hands what the engine says to the daemon's log. What it is pleased to notice is of interest only when something is wrong.
type engineLog struct{ log *slog.Logger }

// Noticef implements server.Logger, as the others do.
func (l engineLog) Noticef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Debugf implements server.Logger.
func (l engineLog) Debugf(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Tracef implements server.Logger.
func (l engineLog) Tracef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Warnf implements server.Logger.
func (l engineLog) Warnf(format string, args ...any) { l.say(slog.LevelWarn, format, args) }

// Errorf implements server.Logger.
func (l engineLog) Errorf(format string, args ...any) { l.say(slog.LevelError, format, args) }

// Fatalf implements server.Logger. It does not end the process.
func (l engineLog) Fatalf(format string, args ...any) { l.say(slog.LevelError, format, args) }

func (l engineLog) say(level slog.Level, format string, args []any) {
	l.log.Log(context.Background(), level, "nats: "+fmt.Sprintf(format, args...))
}
