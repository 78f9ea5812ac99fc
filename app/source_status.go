package app

import (
	"sync"

	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// sourceStatus is how one source is doing. The supervisor and the recorder note it, anybody may ask; its lock is held for a moment only.
type sourceStatus struct {
	clock ports.Clock

	mu     sync.Mutex
	status domain.SourceStatus
}

func newSourceStatus(protocol domain.Protocol, clock ports.Clock) *sourceStatus {
	return &sourceStatus{clock: clock, status: domain.SourceStatus{Protocol: protocol, Since: clock.Now()}}
}

func (s *sourceStatus) get() domain.SourceStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// enter notes that the source is now in another state. What is known of a connection goes with the connection.
func (s *sourceStatus) enter(state domain.SourceState) {
	s.change(state, func(status *domain.SourceStatus) {
		switch state {
		case domain.SourceConnected, domain.SourceSynced:
			status.Error = ""
		case domain.SourceStandby:
			status.Error, status.Users = "", 0
		case domain.SourceConnecting, domain.SourceWaiting, domain.SourceRejected:
		}
	})
}

// wait notes why there is no connection, and when there will be another attempt.
func (s *sourceStatus) wait(state domain.SourceState, why error, retryAt domain.Timestamp) {
	s.change(state, func(status *domain.SourceStatus) {
		status.Error, status.RetryAt, status.Users = why.Error(), retryAt, 0
	})
}

func (s *sourceStatus) change(state domain.SourceState, with func(*domain.SourceStatus)) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.State, s.status.Since, s.status.RetryAt = state, now, 0
	with(&s.status)
}

// saw notes of how many users the connection has told.
func (s *sourceStatus) saw(users int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Users = users
}
