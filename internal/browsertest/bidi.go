package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// bidi is a connection that speaks WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/): commands and their answers, and events. It may be
// used concurrently.
type bidi struct {
	socket *websocket.Conn
	ended  chan struct{} // closed when nothing more comes

	mu      sync.Mutex
	number  int // of the last command
	waiting map[int]chan<- message
}

// message is what the browser sends: an answer, which has an id, or an event, which has a method.
type message struct {
	ID      int             `json:"id"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Result  json.RawMessage `json:"result"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// dial connects to a browser and calls event with each event, from a goroutine that ends with the connection.
func dial(ctx context.Context, url string, event func(method string, params json.RawMessage)) (*bidi, error) {
	socket, response, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	socket.SetReadLimit(-1) // a screenshot is large
	b := &bidi{socket: socket, ended: make(chan struct{}), waiting: map[int]chan<- message{}}
	go b.receive(event)
	return b, nil
}

func (b *bidi) receive(event func(method string, params json.RawMessage)) {
	defer close(b.ended)
	for {
		var m message
		if err := wsjson.Read(context.Background(), b.socket, &m); err != nil {
			return
		}
		if m.Method != "" {
			event(m.Method, m.Params)
			continue
		}
		b.mu.Lock()
		answer := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// call sends a command, waits for its answer, and decodes that into result unless it is nil.
func (b *bidi) call(ctx context.Context, method string, params, result any) error {
	answer := make(chan message, 1)
	b.mu.Lock()
	b.number++
	id := b.number
	b.waiting[id] = answer
	b.mu.Unlock()
	command := map[string]any{"id": id, "method": method, "params": params}
	if err := wsjson.Write(ctx, b.socket, command); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != "" {
			return fmt.Errorf("%s: %s: %s", method, m.Error, m.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-b.ended:
		return fmt.Errorf("%s: %w", method, errEnded)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

var errEnded = errors.New("the browser has ended")

// close ends the connection and waits until nothing more comes.
func (b *bidi) close() {
	_ = b.socket.CloseNow()
	<-b.ended
}
