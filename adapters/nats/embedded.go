package nats

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

// maxPayload is how large an entry of the journal may be: a request of 10,000 users makes less than half of it.
const maxPayload = 8 << 20

// startWithin is how long the engine may take to start, its recovery after a kill included.
const startWithin = 5 * time.Minute

// embedded is the engine in this process: a NATS server that listens nowhere.
type embedded struct {
	dir    *directory
	server *server.Server
}

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

// connect is how a client gets to the engine.
func (e *embedded) connect() natsgo.Option { return natsgo.InProcessServer(e.server) }

// stop writes everything to the disk and ends the engine.
func (e *embedded) stop() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	return e.dir.close()
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
