package fanout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// board is memory that the benchmark shares with the process that has the readers.
type board struct {
	published [1 << 16]int64         // when each event was published, in nanoseconds since the epoch, by its number
	delays    [maxDelay]atomic.Int64 // how many deliveries took so many milliseconds
	delivered atomic.Int64           // events that arrived, at all readers together
}

const maxDelay = 8192

func mapBoard(file *os.File) (*board, error) {
	size := int(unsafe.Sizeof(board{}))
	if err := file.Truncate(int64(size)); err != nil {
		return nil, err
	}
	memory, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*board)(unsafe.Pointer(&memory[0])), nil
}

// orders is what the readers are to do.
type orders struct {
	Board    string
	Port     int
	Count    int
	Requests []string // in turns
	Ready    string   // the end of what a server sends first
	Numbered bool     // an event's number is in its message; else the events of a reader are counted
}

const (
	ordersVariable = "FANOUT_ORDERS" // the path of a file
	linesOfEvent   = 4               // with the empty one
	numberMark     = `"message":"`
	numberDigits   = 8
)

// readers is a process with connected readers.
type readers struct {
	*child
	*board
	count     int
	completed chan struct{} // gets one for each event that has come to all
	number    int           // of the next event
}

// connect starts a process whose readers are all connected when it returns.
func connect(b *testing.B, o orders) *readers {
	b.Helper()
	file, err := os.Create(b.TempDir() + "/board")
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	r := &readers{count: o.Count, completed: make(chan struct{}, 1<<16)}
	if r.board, err = mapBoard(file); err != nil {
		b.Fatal(err)
	}
	o.Board = file.Name()
	text, err := json.Marshal(o)
	if err != nil {
		b.Fatal(err)
	}
	path := file.Name() + ".orders"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	r.child = play(b, "readers", ordersVariable+"="+path)
	if got := r.line(b); got != "connected" {
		b.Fatalf("the readers say %q", got)
	}
	go func() {
		for {
			if _, err := r.out.ReadByte(); err != nil {
				return
			}
			r.completed <- struct{}{}
		}
	}()
	return r
}

// runReaders is the role of the readers: one thread that counts the lines which arrive on any connection.
func runReaders() error {
	var o orders
	text, err := os.ReadFile(os.Getenv(ordersVariable))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	file, err := os.OpenFile(o.Board, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	shared, err := mapBoard(file)
	if err != nil {
		return err
	}
	p := &pool{orders: o, board: shared, rest: make(map[int32][]byte)}
	if p.epoll, err = syscall.EpollCreate1(0); err != nil {
		return err
	}
	for i := range o.Count {
		if err := p.connect(o.Requests[i%len(o.Requests)]); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
	}
	fmt.Println("connected")
	go func() {
		untilEnd()
		os.Exit(0)
	}()
	return p.read()
}

// pool is connections that are read.
type pool struct {
	orders
	*board
	epoll    int
	counts   []int            // the lines that came, by file descriptor
	rest     map[int32][]byte // of an event that has not come to its end, if events are numbered
	arrivals [1 << 16]int     // at how many readers each event has arrived
	buffer   [256 << 10]byte
}

func (p *pool) connect(request string) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: p.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if _, err := syscall.Write(fd, []byte(request)); err != nil {
		return err
	}
	var got []byte
	for !bytes.Contains(got, []byte(p.Ready)) {
		n, err := syscall.Read(fd, p.buffer[:])
		if err != nil || n <= 0 {
			return fmt.Errorf("after %q: %w", got, errors.Join(err, errors.New("the stream has ended")))
		}
		got = append(got[max(0, len(got)-4096):], p.buffer[:n]...) // it can be long
	}
	for len(p.counts) <= fd {
		p.counts = append(p.counts, 0)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	return syscall.EpollCtl(p.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

func (p *pool) read() error {
	ready := make([]syscall.EpollEvent, 1024)
	for {
		n, err := syscall.EpollWait(p.epoll, ready, -1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return err
		}
		for i := range max(n, 0) {
			fd := ready[i].Fd
			n, err := syscall.Read(int(fd), p.buffer[:])
			if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || n == 0 {
				return fmt.Errorf("a stream has ended: %w", err)
			}
			if p.Numbered {
				p.takeNumbered(fd, p.buffer[:n])
			} else {
				p.take(int(fd), bytes.Count(p.buffer[:n], []byte{'\n'}))
			}
		}
	}
}

// take counts lines that have arrived at a reader.
func (p *pool) take(fd, lines int) {
	before := p.counts[fd] / linesOfEvent
	p.counts[fd] += lines
	after := p.counts[fd] / linesOfEvent
	now := time.Now().UnixNano()
	for number := before; number < after; number++ {
		at := number % len(p.arrivals)
		p.note(now, at)
	}
}

// note notes that an event has arrived at one more reader.
func (p *pool) note(now int64, number int) {
	if p.arrivals[number]++; p.arrivals[number] == p.Count {
		p.arrivals[number] = 0
		_, _ = os.Stdout.Write([]byte{'.'})
	}
	delay := (now - atomic.LoadInt64(&p.published[number])) / int64(time.Millisecond)
	p.delays[min(max(delay, 0), maxDelay-1)].Add(1)
	p.delivered.Add(1)
}

// takeNumbered finds the numbers of the events that have arrived at a reader.
func (p *pool) takeNumbered(fd int32, data []byte) {
	if rest := p.rest[fd]; len(rest) > 0 {
		data = append(rest, data...)
	}
	now := time.Now().UnixNano()
	for {
		end := bytes.Index(data, []byte("\n\n"))
		if end < 0 {
			break
		}
		if at := bytes.Index(data[:end], []byte(numberMark)); at >= 0 {
			if number, err := strconv.Atoi(string(data[at+len(numberMark):][:numberDigits])); err == nil {
				p.note(now, number%len(p.published))
			}
		}
		data = data[end+2:]
	}
	p.rest[fd] = append(p.rest[fd][:0], data...)
}

// mark notes that the next event is published now, and returns its number.
func (r *readers) mark() int {
	number := r.number
	r.number++
	atomic.StoreInt64(&r.published[number%len(r.published)], time.Now().UnixNano())
	return number
}

// tally is how many deliveries took how long, so far.
type tally [maxDelay]int64

func (r *readers) tally() (t tally) {
	for i := range r.delays {
		t[i] = r.delays[i].Load()
	}
	return t
}

// since returns how many deliveries there were since an earlier tally, and how long all but one in a hundred of them took at most.
func (t *tally) since(before tally) (deliveries int64, p99 time.Duration) {
	for i := range t {
		t[i] -= before[i]
		deliveries += t[i]
	}
	left := deliveries / 100
	for i := maxDelay - 1; i > 0; i-- {
		if left -= t[i]; left < 0 {
			return deliveries, time.Duration(i+1) * time.Millisecond
		}
	}
	return deliveries, time.Millisecond
}
