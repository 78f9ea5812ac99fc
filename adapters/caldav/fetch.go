package caldav

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/zarafa/presence/adapters/caldav/internal/ical"
	"github.com/zarafa/presence/domain"
	"github.com/zarafa/presence/ports"
)

// maxCollections is how many calendars of one user are read.
const maxCollections = 100

const davRequest = `<?xml version="1.0" encoding="utf-8"?>` +
	`<d:propfind xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns:s="http://calendarserver.org/ns/"><d:prop>` +
	`<d:resourcetype/><d:sync-token/><s:getctag/><c:supported-calendar-component-set/><c:schedule-calendar-transp/></d:prop></d:propfind>`

// davQuery asks for the events that a filter lets pass (RFC 4791, 7.8).
const davQuery = `<?xml version="1.0" encoding="utf-8"?>` +
	`<c:calendar-query xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"><d:prop><c:calendar-data/></d:prop><c:filter>` +
	`<c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT">%s</c:comp-filter></c:comp-filter></c:filter></c:calendar-query>`

// The filters: what is in a window, and everything that recurs, for some servers do not find later occurrences. What is in the window of all that is
// computed here.
const (
	inWindow = `<c:time-range start="%s" end="%s"/>`
	recurs   = `<c:prop-filter name="RRULE"/>`
)

// multistatus is an answer of WebDAV (RFC 4918, 14.16).
type multistatus struct {
	XMLName   xml.Name      `xml:"DAV: multistatus"`
	Responses []davResponse `xml:"DAV: response"`
}

type davResponse struct {
	Href  string   `xml:"DAV: href"`
	Found []davSet `xml:"DAV: propstat"`
}

type davSet struct {
	Status string   `xml:"DAV: status"`
	Props  davProps `xml:"DAV: prop"`
}

type davProps struct {
	Type struct {
		Calendar   *struct{} `xml:"urn:ietf:params:xml:ns:caldav calendar"`
		Collection *struct{} `xml:"DAV: collection"`
	} `xml:"DAV: resourcetype"`
	SyncToken  string `xml:"DAV: sync-token"`
	CTag       string `xml:"http://calendarserver.org/ns/ getctag"`
	Components struct {
		All []struct {
			Name string `xml:"name,attr"`
		} `xml:"urn:ietf:params:xml:ns:caldav comp"`
	} `xml:"urn:ietf:params:xml:ns:caldav supported-calendar-component-set"`
	Transparent struct {
		Is *struct{} `xml:"urn:ietf:params:xml:ns:caldav transparent"`
	} `xml:"urn:ietf:params:xml:ns:caldav schedule-calendar-transp"`
	Data []byte `xml:"urn:ietf:params:xml:ns:caldav calendar-data"`
}

// props returns the properties that the server has given.
func (r *davResponse) props() (all davProps) {
	for _, set := range r.Found {
		if strings.Contains(set.Status, " 200") {
			return set.Props
		}
	}
	return all
}

// ask makes a request of WebDAV.
func (c *client) ask(ctx context.Context, method string, address *url.URL, depth, body string) (all multistatus, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address.String(), strings.NewReader(body))
	if err != nil {
		return all, errors.New("the address cannot be")
	}
	request.SetBasicAuth(c.source.config.Username, c.source.config.Password.Reveal())
	request.Header.Set("Content-Type", `text/xml; charset="utf-8"`)
	request.Header.Set("Depth", depth)
	got, err := c.do(ctx, c.dav, request)
	if err != nil {
		return all, err
	}
	if got.status != http.StatusMultiStatus {
		return all, fmt.Errorf("the server answered %d, which is not what a CalDAV server answers", got.status)
	}
	if err := parseMultistatus(got.body, &all); err != nil {
		return all, errors.New("the server's answer is no XML of WebDAV") // what the parser says can contain what is private
	}
	return all, nil
}

func parseMultistatus(body []byte, into *multistatus) error {
	return xml.NewDecoder(bytes.NewReader(body)).Decode(into)
}

// login asks the server for anything at all. Only an account that is refused, or a server that is not there, is an error.
func (c *client) login(ctx context.Context) error {
	address := *c.source.url
	address.Path += "/"
	_, err := c.ask(ctx, "PROPFIND", &address, "0", davRequest)
	if errors.Is(err, errGone) { // it may not be allowed to see anything there
		return nil
	}
	return err
}

// answers reports whether the CalDAV server answers anything at all, soon.
func (c *client) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.source.limits.proof)
	defer cancel()
	return c.login(ctx) == nil
}

// calendarReader reads a calendar in a window, as its user counts it.
type calendarReader struct {
	client *client
	window ical.Options
	now    domain.Timestamp
}

// fetch returns what a calendar has now. Of what has not changed it returns the copies.
func (r *calendarReader) fetch(ctx context.Context, c *calendar) ([]collection, error) {
	if c.ics != nil {
		one, err := r.fetchICS(ctx, c)
		return []collection{one}, err
	}
	all, err := r.fetchHome(ctx, c)
	if errors.Is(err, errAway) && r.client.answers(ctx) {
		err = fmt.Errorf("the server answers, but not about this calendar: %s", strings.TrimPrefix(err.Error(), errAway.Error()+": "))
	}
	return all, err
}

// fetchHome reads the calendars in a home that have changed.
func (r *calendarReader) fetchHome(ctx context.Context, c *calendar) (all []collection, err error) {
	listed, err := r.client.ask(ctx, "PROPFIND", c.home, "1", davRequest)
	if errors.Is(err, ports.ErrRejected) && r.client.login(ctx) == nil { // the account is right, and has no right to this home
		err = errGone
	}
	if err != nil {
		return nil, err
	}
	for i := range listed.Responses {
		props := listed.Responses[i].props()
		address, ok := below(c.home, listed.Responses[i].Href)
		if !ok || props.Type.Calendar == nil || props.Transparent.Is != nil || !hasEvents(&props) || len(all) == maxCollections {
			continue
		}
		fresh := collection{path: address.EscapedPath(), token: props.CTag + props.SyncToken, readAgain: r.readAgain()}
		if old := find(c.copies, fresh.path); old != nil && old.token == fresh.token && fresh.token != "" && r.isFresh(old) {
			all = append(all, *old)
			continue
		}
		if fresh.intervals, err = r.query(ctx, address); err != nil {
			return nil, err
		}
		all = append(all, fresh)
	}
	return all, nil
}

// below resolves a reference in an answer. One to another server is not followed: the password would go there.
func below(home *url.URL, reference string) (*url.URL, bool) {
	address, err := home.Parse(strings.TrimSpace(reference))
	return address, err == nil && address.Host == home.Host && address.Scheme == home.Scheme
}

// hasEvents reports whether a calendar can have events, and not only tasks.
func hasEvents(props *davProps) bool {
	if len(props.Components.All) == 0 {
		return true
	}
	for _, component := range props.Components.All {
		if strings.EqualFold(component.Name, "VEVENT") {
			return true
		}
	}
	return false
}

func find(copies []collection, path string) *collection {
	for i := range copies {
		if copies[i].path == path {
			return &copies[i]
		}
	}
	return nil
}

// isFresh reports whether a copy is computed far enough ahead.
func (r *calendarReader) isFresh(old *collection) bool { return r.now < old.readAgain }

// readAgain returns when a calendar that is read now is to be read again if it does not change. That is not the same for all, so that they do not come
// at once.
func (r *calendarReader) readAgain() domain.Timestamp {
	most := r.client.source.limits.readAgain
	return r.now.Add(most - rand.N(most/2))
}

// query reads the events of a calendar.
func (r *calendarReader) query(ctx context.Context, address *url.URL) (all []ical.Interval, _ error) {
	const form, margin = "20060102T150405Z", 24 * time.Hour // the server does not know the user's zone
	window := fmt.Sprintf(inWindow, r.window.From.Add(-margin).UTC().Format(form), r.window.To.Add(margin).UTC().Format(form))
	seen := make(map[string]bool)
	for _, filter := range []string{window, recurs} {
		found, err := r.client.ask(ctx, "REPORT", address, "1", fmt.Sprintf(davQuery, filter))
		if err != nil {
			return nil, err
		}
		for i := range found.Responses {
			response := &found.Responses[i]
			data := response.props().Data
			if len(data) == 0 || seen[response.Href] {
				continue
			}
			seen[response.Href] = true
			intervals, err := r.read(data)
			if errors.Is(err, ical.ErrTooMuch) {
				return nil, err
			}
			all = append(all, intervals...) // an event that cannot be read does not cost the others
		}
	}
	slices.SortFunc(all, byStart)
	return slices.Clip(all), nil
}

func byStart(a, b ical.Interval) int { return int(min(max(a.Start-b.Start, -1), 1)) }

// read reads an iCalendar text. Events that say nothing are left out.
func (r *calendarReader) read(text []byte) ([]ical.Interval, error) {
	intervals, _, err := ical.Read(text, r.window)
	statuses := &r.client.source.statuses
	return slices.Clip(slices.DeleteFunc(intervals, func(i ical.Interval) bool { return statuses[i.Kind] == domain.Unavailable })), err
}

// fetchICS reads a calendar that has an address of its own.
func (r *calendarReader) fetchICS(ctx context.Context, c *calendar) (fresh collection, _ error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ics.String(), nil)
	if err != nil {
		return fresh, errors.New("the address cannot be")
	}
	request.Header.Set("Accept", "text/calendar")
	var old *collection
	if c.hasCopy && len(c.copies) > 0 && r.isFresh(&c.copies[0]) {
		old = &c.copies[0]
		setIf(request.Header, "If-None-Match", old.etag)
		setIf(request.Header, "If-Modified-Since", old.modified)
	}
	got, err := r.client.do(ctx, r.client.ics, request)
	if err != nil {
		return fresh, err
	}
	if got.status == http.StatusNotModified && old != nil {
		return *old, nil
	}
	sum := sha256.Sum256(got.body)
	fresh = collection{etag: got.header.Get("ETag"), modified: got.header.Get("Last-Modified"), token: string(sum[:]), readAgain: r.readAgain()}
	if old != nil && old.token == fresh.token {
		fresh.intervals, fresh.readAgain = old.intervals, old.readAgain
		return fresh, nil
	}
	if fresh.intervals, err = r.read(got.body); err != nil {
		if kind, _, _ := mime.ParseMediaType(got.header.Get("Content-Type")); kind == "text/html" {
			return fresh, errors.New("the address gives a web page and no calendar")
		}
	}
	return fresh, err
}

func setIf(header http.Header, name, value string) {
	if value != "" {
		header.Set(name, value)
	}
}
