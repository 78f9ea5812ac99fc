package command

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/zarafa/presence/daemon/internal/systemd"
	"github.com/zarafa/presence/daemon/internal/wiring"
	"github.com/zarafa/presence/domain"
)

// service looks after a daemon that runs: it has it reload, and tells the service manager how it is doing.
type service struct {
	daemon  *wiring.Daemon
	logging *wiring.Logging
	manager *systemd.Manager
	read    func() (*wiring.Settings, error) // the configuration anew

	serving bool   // requests are answered
	fault   string // why the last reload has failed; empty: it has not
}

// reading is what has come of reading the configuration anew.
type reading struct {
	next *wiring.Settings
	err  error
}

// lookEvery is how often the service manager may be told another status.
const lookEvery = time.Second

// untilStopped returns when the daemon is to be stopped: without an error because somebody wants it, else because it has failed. It calls ready
// when the store is loaded. Each hangup has the configuration read anew; those that come meanwhile have it read once more.
func (s *service) untilStopped(hangup <-chan os.Signal, ready func() error) error {
	log := s.logging.Logger
	loaded, ended := s.daemon.Loaded(), s.daemon.Wait()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	alive := newHeartbeat(s.manager.AliveEvery())
	defer alive.stop()
	read := make(chan reading, 1) // has room, so that who reads can end although nobody waits any more
	waiting := hangup             // nil while the configuration is read
	for {
		select {
		case <-loaded:
			loaded, s.serving = nil, true
			if err := ready(); err != nil {
				return err
			}
			s.manager.Ready(s.status())
		case end := <-ended:
			if err := s.daemon.Err(); err != nil {
				return err
			}
			if loaded != nil {
				log.Info("stopped before it was ready")
			}
			log.Info("stopping", "signal", fmt.Sprint(end.Signal))
			return nil
		case <-waiting:
			waiting = nil
			if s.serving { // or the service manager would take its end for the end of the start
				s.manager.Reloading()
			}
			go func() { // a pipe can make it wait
				next, err := s.read()
				read <- reading{next, err}
			}()
		case r := <-read:
			waiting = hangup
			s.reload(r)
			if s.serving {
				s.manager.Ready(s.status())
			}
		case <-look.C:
			s.manager.Status(s.status())
		case <-alive.due():
			alive.ask(s.daemon.Answer)
		case <-alive.answered:
			alive.asked = false
			s.manager.Alive()
		}
	}
}

// reload puts a configuration into effect, or says why not.
func (s *service) reload(r reading) {
	var did wiring.Reloaded
	log, err := s.logging.Logger, r.err
	if err == nil {
		did, err = s.daemon.Reload(r.next, s.logging)
	}
	if err != nil {
		faults := strings.Split(err.Error(), "\n")
		if err := s.logging.Reopen(); err != nil { // whatever else is wrong, a log that was moved away must not be written any more
			log.Error("the log cannot be opened again; the old file stays in use", "err", err)
		}
		for _, fault := range faults {
			log.Error("the configuration is faulty: nothing has changed", "err", fault)
		}
		s.fault = faults[0]
		if more := len(faults) - 1; more > 0 {
			s.fault += fmt.Sprintf(" (and %d more)", more)
		}
		return
	}
	s.fault = ""
	for _, warning := range r.next.Warnings() {
		log.Warn(warning)
	}
	for _, key := range did.Kept {
		log.Warn("a changed key takes effect at the next start; until then its old value holds", "key", key)
	}
	log.Info("the configuration was read anew", "changed", did.Changed)
}

// status is what systemctl status shows.
func (s *service) status() string {
	var parts []string
	if s.fault != "" {
		parts = append(parts, "reload failed: "+s.fault)
	}
	if !s.serving {
		return strings.Join(append(parts, fmt.Sprintf("loading: %d users so far", s.daemon.Users())), "; ")
	}
	parts = append(parts, fmt.Sprintf("serving: %d users", s.daemon.Users()))
	for _, source := range s.daemon.Sources() {
		part := source.Protocol.String() + " " + source.State.String()
		if source.State == domain.SourceSynced {
			part += fmt.Sprintf(" (%d users)", source.Users)
		}
		parts = append(parts, part)
	}
	if !s.daemon.Writable() {
		parts = append(parts, "presences cannot be written")
	}
	return strings.Join(parts, "; ")
}
