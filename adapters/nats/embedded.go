package nats

import (
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
	dir, err := openDirectory(path)
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

func (l engineLog) Noticef(format string, args ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, args...))
}
func (l engineLog) Debugf(format string, args ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, args...))
}
func (l engineLog) Tracef(format string, args ...any) {
	l.log.Debug("nats: " + fmt.Sprintf(format, args...))
}
func (l engineLog) Warnf(format string, args ...any) {
	l.log.Warn("nats: " + fmt.Sprintf(format, args...))
}
func (l engineLog) Errorf(format string, args ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, args...))
}
func (l engineLog) Fatalf(format string, args ...any) {
	l.log.Error("nats: " + fmt.Sprintf(format, args...))
}
