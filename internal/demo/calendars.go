package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// calendars are files, one for each person, that are served at an address of their own: what calendar.ics is for.
type calendars struct {
	dir string
	url string // of the folder, with a slash at the end
}

// startCalendars serves empty calendars until the demo ends.
func (s *servers) startCalendars() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.calendars = calendars{s.TempDir(), "http://" + listener.Addr().String() + "/"}
	server := &http.Server{Handler: http.FileServer(http.Dir(s.calendars.dir)), ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(os.Stderr, "demo: the calendars: %v\n", err)
		}
	})
	s.Cleanup(func() { _ = server.Close(); serving.Wait() })
	for _, person := range people {
		if err := s.calendars.write(person, event{}, time.Now()); err != nil {
			s.Fatal(err)
		}
	}
}

// address is where a person's calendar is.
func (c calendars) address(person string) string { return c.url + person + ".ics" }

// write writes a person's calendar: an event from now until the person does something else, or none.
func (c calendars) write(person string, e event, now time.Time) error {
	file := filepath.Join(c.dir, person+".ics")
	if err := os.WriteFile(file+".new", []byte(calendarOf(e, now)), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file) // so that nobody reads half of it
}

// calendarOf makes an iCalendar text (RFC 5545).
func calendarOf(e event, now time.Time) string {
	const begin, end = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.test//demo//EN\r\n", "END:VCALENDAR\r\n"
	if e.Title == "" {
		return begin + end
	}
	kind := "BUSY"
	if e.Absent {
		kind = "OOF"
	}
	const form = "20060102T150405Z"
	return fmt.Sprintf("%sBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:%[2]s\r\nDTSTART:%[2]s\r\nDTEND:%[3]s\r\nSUMMARY:%[4]s\r\nX-MICROSOFT-CDO-BUSYSTATUS:%[5]s\r\nEND:VEVENT\r\n%[6]s",
		begin, now.UTC().Format(form), now.Add(activityLasts).UTC().Format(form), e.Title, kind, end)
}
