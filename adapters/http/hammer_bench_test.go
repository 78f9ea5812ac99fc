package http_test

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zarafa/presence/adapters/http"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/internal/bench"
)

const (
	hammerRate        = 10_000 // requests a second
	hammerConnections = 100
	hammerRounds      = 5
	hammerTime        = 2 * time.Second // of a round, once alone and once beside the one who hammers
)

// BenchmarkHammered measures a client beside another one that sends 10,000 requests a second on a hundred connections,
// with a valid token or with wrong ones, and without it. (What is refused is held back, so that fewer get through.)
// The client asks on eight connections as quickly as it is answered, and so does not pause: it is a service. All of them share the processors.
func BenchmarkHammered(b *testing.B) {
	forged := "1415697944:markd@zarafa.com:SLDJMBNNFNN5/RIXFJPXVKCKNV6SBHYGLFLE5G/TVLY="
	for _, attack := range []struct {
		name    string
		request func(r *running) string
	}{
		{"valid token", func(r *running) string { return bearer(r.tokens.Issue(mark)) }},
		{"valid token, PUT", func(r *running) string {
			return request("PUT", r.body(mark, `{"user_id":"markd@zarafa.com","spreed":{"status":"busy"}}`))
		}},
		{"wrong tokens", func(*running) string { return bearer(forged) }},
		{"wrong tokens, original API", func(*running) string {
			return request("GET", `{"AuthenticationToken":"`+forged+`","Type":"UserStatus","UserStatus":[]}`)
		}},
	} {
		b.Run(attack.name, func(b *testing.B) {
			defaults := http.DefaultConfig()
			r := start(b, func(cfg *http.Config) {
				cfg.RatePerUser, cfg.RatePerAddress = defaults.RatePerUser, defaults.RatePerAddress
			})
			for i := range 1000 {
				r.knows(b, domain.UserID(user(i)), spreed, domain.Available, "feeling chatty..")
			}
			hammered(b, r, attack.request(r))
		})
	}
}

func hammered(b *testing.B, r *running, attack string) {
	b.Helper()
	var ratios, rates, p99s, aloneP99s, sent, refused []float64
	for range hammerRounds {
		alone, aloneP99 := ask(b, r)
		done := make(chan struct{})
		var attacking sync.WaitGroup
		var answers, tooMany atomic.Int64
		for range hammerConnections {
			attacking.Go(func() { hammer(b, r, attack, done, &answers, &tooMany) })
		}
		rate, p99 := ask(b, r)
		close(done)
		attacking.Wait()
		ratios, rates, p99s, aloneP99s = append(ratios, rate/alone), append(rates, rate), append(p99s, p99), append(aloneP99s, aloneP99)
		sent, refused = append(sent, float64(answers.Load())/hammerTime.Seconds()), append(refused, float64(tooMany.Load())/float64(max(answers.Load(), 1)))
	}
	ratio, p99 := bench.Median(ratios), bench.Median(p99s)
	for name, value := range map[string]float64{
		"ns/op": 0, "ratio": ratio, "p99-ms": p99, "alone-p99-ms": bench.Median(aloneP99s), "subject/s": bench.Median(rates),
		"hammer/s": bench.Median(sent), "refused": bench.Median(refused),
	} {
		b.ReportMetric(value, name)
	}
	b.Logf("ratio %.2f, p99 %.1f ms, alone %.1f ms, %.0f/s; the other one got %.0f/s, %.3f of them refused",
		ratio, p99, bench.Median(aloneP99s), bench.Median(rates), bench.Median(sent), bench.Median(refused))
	if ratio < 0.7 || p99 >= 20 {
		b.Errorf("beside it the client has %.2f of its throughput, want 0.7; its p99 is %.1f ms, want less than 20", ratio, p99)
	}
}

// ask asks for one user after the other, on eight connections. It returns how many answers there are in a second, and the 99th percentile of the
// time that each took, in milliseconds.
func ask(b *testing.B, r *running) (rate, p99 float64) {
	var asking sync.WaitGroup
	took := make([][]time.Duration, 8)
	begin := time.Now()
	for i := range took {
		request := []byte(request("GET", r.body(service, entry(i))))
		asking.Go(func() {
			c := dial(b, r.Server)
			defer c.Close()
			answers := bufio.NewReader(c)
			for time.Since(begin) < hammerTime {
				sent := time.Now()
				if status := exchangeOne(b, c, answers, request); status != 200 {
					b.Errorf("the client is answered with %d", status)
					return
				}
				took[i] = append(took[i], time.Since(sent))
			}
		})
	}
	asking.Wait()
	all := slices.Concat(took...)
	slices.Sort(all)
	return float64(len(all)) / time.Since(begin).Seconds(), float64(all[len(all)*99/100].Microseconds()) / 1000
}

// hammer sends its share of the requests, at a steady rate, until done is closed. It counts the answers, and those with 429.
func hammer(b *testing.B, r *running, request string, done <-chan struct{}, answered, tooMany *atomic.Int64) {
	c := dial(b, r.Server)
	defer c.Close()
	answers, begin := bufio.NewReader(c), time.Now()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		case <-time.After(time.Until(begin.Add(time.Duration(n) * time.Second * hammerConnections / hammerRate))):
		}
		if exchangeOne(b, c, answers, []byte(request)) == 429 {
			tooMany.Add(1)
		}
		answered.Add(1)
	}
}

// exchangeOne sends a request, reads its answer, and returns the answer's status.
func exchangeOne(b *testing.B, c io.Writer, answers *bufio.Reader, request []byte) (status int) {
	if _, err := c.Write(request); err != nil {
		b.Error(err)
		return 0
	}
	length := 0
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			b.Error(fmt.Errorf("read an answer: %w", err))
			return 0
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case text == "":
			_, _ = answers.Discard(length)
			return status
		case status == 0:
			status, _ = strconv.Atoi(strings.Fields(text)[1])
		case strings.HasPrefix(text, "Content-Length: "):
			length, _ = strconv.Atoi(strings.TrimPrefix(text, "Content-Length: "))
		}
	}
}
