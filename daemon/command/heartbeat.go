package command

import "time"

// heartbeat asks again and again whether the daemon answers.
type heartbeat struct {
	ticker   *time.Ticker  // nil: nobody wants to know
	answered chan struct{} // yields when the daemon has
	asked    bool          // and it has not yet
}

// newHeartbeat makes a heartbeat; zero: nobody wants to know.
func newHeartbeat(every time.Duration) *heartbeat {
	h := &heartbeat{answered: make(chan struct{}, 1)}
	if every > 0 {
		h.ticker = time.NewTicker(every)
	}
	return h
}

// due yields when it is time to ask.
func (h *heartbeat) due() <-chan time.Time {
	if h.ticker == nil {
		return nil
	}
	return h.ticker.C
}

// ask asks whether the daemon answers, unless it owes an answer still. If it never answers nobody waits for the goroutine, and the service manager
// ends the process.
func (h *heartbeat) ask(answer func()) {
	if h.asked {
		return
	}
	h.asked = true
	go func() {
		answer()
		h.answered <- struct{}{}
	}()
}

func (h *heartbeat) stop() {
	if h.ticker != nil {
		h.ticker.Stop()
	}
}
