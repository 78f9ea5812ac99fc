package app

import (
	"sync"
	"sync/atomic"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// sourceStatus is how one source is doing. The supervisor and the recorder note it, anybody may ask; its lock is held for a moment only.
type sourceStatus struct {
	clock   ports.Clock
	reports atomic.Uint64

	mu     sync.Mutex
	status domain.SourceStatus
}

func newSourceStatus(protocol domain.Protocol, clock ports.Clock) *sourceStatus {
	return &sourceStatus{clock: clock, status: domain.SourceStatus{Protocol: protocol, Since: clock.Now()}}
}

func (s *sourceStatus) get() domain.SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.status
	status.Reports = s.reports.Load()
	return status
}

// enter notes that the source is now in another state. What is known of a connection goes with the connection.
func (s *sourceStatus) enter(state domain.SourceState) { s.wait(state, nil, 0) }

// wait notes as well why there is no connection, and when there will be another attempt.
func (s *sourceStatus) wait(state domain.SourceState, why error, retryAt domain.Timestamp) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status
	s.status = domain.SourceStatus{
		Protocol: before.Protocol, State: state, Since: now, RetryAt: retryAt, Synced: before.Synced, Connections: before.Connections,
	}
	switch state {
	case domain.SourceConnected:
		s.status.Connected = now
		s.status.Connections++
	case domain.SourceSynced:
		s.status.Connected, s.status.Synced, s.status.AsOf = before.Connected, now, before.AsOf
	}
	switch {
	case why != nil:
		s.status.Error = why.Error()
	case state == domain.SourceConnecting:
		s.status.Error = before.Error
	case state != domain.SourceStandby:
		s.status.Users = before.Users
	}
}

// asOf notes how old what the source shows is at most, and what keeps it from knowing more.
func (s *sourceStatus) asOf(at domain.Timestamp, trouble error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.AsOf, s.status.Error = at, ""
	if trouble != nil {
		s.status.Error = trouble.Error()
	}
}

// saw notes of how many users the connection has told.
func (s *sourceStatus) saw(users int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Users = users
}
