package portstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// fault is one way in which a faultySource breaks the contract.
type fault int

const (
	correct fault = iota
	describesTwice
	renamesDevices
	mergesDevices
	neverUnavailable
	blocksAtTheEnd
	callsLate
	syncsTooSoon
	neverSyncs
	keepsCase
	alwaysAvailable
	dropsMessages
	missesClosing
	missesSilence
	keepsTheLost
	tellsPassword
	leaksGoroutine
	leaksAfterTheEnd
	connectsUnasked
	returnsNil
	confusesRefusal
	confusesAbsence
	ignoresContext
	ignoresContextAtLogin
	ignoresEndedContext
	knowsTheFuture
	tellsPasswordAsTrouble
)

const (
	askEvery    = 10 * time.Second // how often a faultySource asks whether the server is still there
	answerAfter = 5 * time.Second
	password    = "correct horse"
)

// faultySource watches a lineServer, correctly but for one fault.
type faultySource struct {
	server   *lineServer
	password string
	fault    fault

	described int
	lost      []domain.Report // with keepsTheLost: what an earlier Run has seen
}

func (s *faultySource) Describe() domain.Source {
	s.described++
	described := domain.Source{Protocol: domain.MustProtocol("line"), StaleAfter: time.Minute}
	if s.fault == describesTwice && s.described > 1 {
		described.StaleAfter = time.Hour
	}
	return described
}

func (s *faultySource) Run(ctx context.Context, observer ports.Observer) error {
	if ctx.Err() != nil && s.fault != ignoresEndedContext {
		return ctx.Err()
	}
	if s.fault == connectsUnasked {
		observer.Connected()
	}
	login := ctx
	if s.fault == ignoresContextAtLogin {
		login = context.WithoutCancel(ctx)
	}
	conn, err := s.server.connect(login, s.password)
	if err != nil {
		return s.failure(ctx, err)
	}
	defer s.server.disconnect(conn)
	if s.fault != connectsUnasked {
		observer.Connected()
	}
	switch s.fault {
	case leaksGoroutine:
		go func() { <-s.server.ended }()
	case leaksAfterTheEnd:
		context.AfterFunc(ctx, func() { <-s.server.ended })
	}
	if s.fault == syncsTooSoon {
		observer.Synced()
	}
	for _, report := range s.lost {
		observer.Report(report)
	}
	err = s.watch(ctx, conn, observer)
	switch {
	case s.fault == blocksAtTheEnd && ctx.Err() != nil:
		conn.ask(ctx) // the goodbye is answered by a server that works
		for line := range conn.lines {
			if line == "PONG" {
				break
			}
		}
	case s.fault == callsLate:
		go func() {
			time.Sleep(quiet / 2)
			observer.Report(domain.Report{User: "alice@example.test", Device: "phone", Status: domain.Busy})
		}()
	case s.fault == returnsNil && ctx.Err() == nil:
		return nil
	}
	return err
}

// failure is the error of a connection that could not be made.
func (s *faultySource) failure(ctx context.Context, err error) error {
	refused := errors.Is(err, errRefused)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.fault == tellsPassword:
		return fmt.Errorf("%w: the password %q: %w", ports.ErrRejected, s.password, err)
	case refused != (s.fault == confusesRefusal) && refused, s.fault == confusesAbsence:
		return fmt.Errorf("%w: %w", ports.ErrRejected, err)
	}
	return err
}

// watch reports what the server says until the connection is lost or ctx ends.
func (s *faultySource) watch(ctx context.Context, conn *lineConn, observer ports.Observer) error {
	conn.ask(ctx)
	ask, silence := time.NewTicker(askEvery), time.NewTimer(askEvery+answerAfter)
	defer ask.Stop()
	defer silence.Stop()
	ended := ctx.Done()
	if s.fault == ignoresContext {
		ended = nil
	}
	for number, synced := 0, false; ; number++ {
		select {
		case <-ended:
			return ctx.Err()
		case <-ask.C:
			conn.ask(ctx)
		case <-silence.C:
			if s.fault != missesSilence {
				return errors.New("the server says nothing any more")
			}
		case line, open := <-conn.lines:
			silence.Reset(askEvery + answerAfter)
			switch {
			case !open && s.fault == missesClosing:
				<-ctx.Done()
				return ctx.Err()
			case !open:
				return errors.New("the server has closed the connection")
			case line != "PONG":
				s.report(observer, line, number)
			case !synced && s.fault != syncsTooSoon && s.fault != neverSyncs:
				synced = true
				observer.Synced()
				s.tellAge(observer)
			}
		}
	}
}

// tellAge says that all was so a moment ago, and that something is wrong.
func (s *faultySource) tellAge(observer ports.Observer) {
	at, trouble := domain.TimestampOf(time.Now()), "it is slow"
	if s.fault == knowsTheFuture {
		at = at.Add(time.Hour)
	}
	if s.fault == tellsPasswordAsTrouble {
		trouble += " with " + password
	}
	observer.AsOf(at, errors.New(trouble))
}

// report reports one line: user, device, status and message.
func (s *faultySource) report(observer ports.Observer, line string, number int) {
	fields := strings.SplitN(line, " ", 4)
	status, err := domain.ParseStatus(fields[2])
	if err != nil {
		return
	}
	user, err := domain.ParseUserID(fields[0])
	if err != nil {
		return
	}
	report := domain.Report{User: user, Device: fields[1], Status: status, Message: fields[3]}
	switch s.fault {
	case renamesDevices:
		if status != domain.Unavailable {
			report.Device = fmt.Sprint(number)
		} else {
			report.Device = ""
		}
	case mergesDevices:
		report.Device = "the device"
	case neverUnavailable:
		if status == domain.Unavailable {
			return
		}
	case keepsCase:
		report.User = domain.UserID(fields[0])
	case alwaysAvailable:
		if status != domain.Unavailable {
			report.Status = domain.Available
		}
	case dropsMessages:
		report.Message = ""
	case keepsTheLost:
		s.lost = append(s.lost, report)
	}
	observer.Report(report)
}

// lineServer is a server in memory whose protocol is lines of text.
type lineServer struct {
	ended chan struct{} // closed with the test

	mu    sync.Mutex
	shown map[string]string // user and device to status and message
	conns map[*lineConn]bool
	mode  lineMode
}

type lineMode int

const (
	serving lineMode = iota
	hanging          // accepts connections, keeps them, and says nothing
	down
)

var errRefused = errors.New("wrong password")

// lineConn is a connection to a lineServer.
type lineConn struct {
	server *lineServer
	lines  chan string
}

func newLineServer(t testing.TB) *lineServer {
	s := &lineServer{ended: make(chan struct{}), shown: make(map[string]string), conns: make(map[*lineConn]bool)}
	t.Cleanup(func() {
		close(s.ended)
		s.cut()
	})
	return s
}

// connect logs in, and waits for that as long as the server hangs.
func (s *lineServer) connect(ctx context.Context, given string) (*lineConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.mode == down:
		return nil, errors.New("connection refused")
	case s.mode == hanging:
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-s.ended:
		}
		s.mu.Lock()
		return nil, errors.New("no answer")
	case given != password:
		return nil, errRefused
	}
	conn := &lineConn{server: s, lines: make(chan string, 1000)}
	s.conns[conn] = true
	for who, what := range s.shown {
		conn.lines <- who + " " + what
	}
	return conn, nil
}

func (s *lineServer) disconnect(conn *lineConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// ask asks for a PONG, which comes after everything before.
func (c *lineConn) ask(context.Context) {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if c.server.conns[c] {
		c.server.say(c, "PONG")
	}
}

func (s *lineServer) say(conn *lineConn, line string) {
	if s.mode == serving {
		conn.lines <- line
	}
}

// show changes what a device shows; unavailable takes it away.
func (s *lineServer) show(user domain.UserID, device string, status domain.Status, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, what := written(user)+" "+device, status.String()+" "+message
	s.shown[who] = what
	if status == domain.Unavailable {
		delete(s.shown, who)
	}
	for conn := range s.conns {
		s.say(conn, who+" "+what)
	}
}

// written is how the server writes a user's name.
func written(user domain.UserID) string { return strings.ToUpper(string(user[:1])) + string(user[1:]) }

// cut ends all connections and forgets who was there.
func (s *lineServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		close(conn.lines)
	}
	clear(s.conns)
	clear(s.shown)
	s.mode = down
}

func (s *lineServer) become(mode lineMode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// faultyStage is a stage whose sources have one fault.
func faultyStage(t testing.TB, f fault) SourceStage {
	server := newLineServer(t)
	at := func(mode lineMode, password string) func(testing.TB) ports.Source {
		return func(t testing.TB) ports.Source {
			other := newLineServer(t)
			other.become(mode)
			return &faultySource{server: other, password: password, fault: f}
		}
	}
	return SourceStage{
		Source:      func(testing.TB) ports.Source { return &faultySource{server: server, password: password, fault: f} },
		Refused:     at(serving, "a wrong one"),
		Unreachable: at(down, password),
		Silent:      at(hanging, password),
		Secrets:     []string{password, "a wrong one"},
		Users:       [2]domain.UserID{"alice@example.test", "bob@example.test"},
		Devices:     []string{"phone", "laptop"},
		Statuses:    []domain.Status{domain.Busy, domain.Available, domain.Away},
		Messages:    true,
		Show: func(_ testing.TB, user domain.UserID, device string, status domain.Status, message string) {
			server.show(user, device, status, message)
		},
		Leave: func(_ testing.TB, user domain.UserID, device string) {
			server.show(user, device, domain.Unavailable, "")
		},
		Hang:    func(testing.TB) { server.become(hanging) },
		Cut:     func(testing.TB) { server.cut() },
		Restart: func(testing.TB) { server.become(serving) },
	}
}
