package auth
import "context"
type live struct{}
func (l *live) watch(c context.CancelFunc) func() { panic("todo") }
type Service struct{}
func kindOf(err error) Kind { panic("todo") }
func (e *Error) Error() string { panic("todo") }
func (s *Service) Session(ctx context.Context, value string) (*Session, error) { panic("todo") }
func (s *Service) SignIn(ctx context.Context, c Client, in Credentials) (Progress, error) { panic("todo") }
func (s *Service) ReenterPassword(ctx context.Context, c Client, attempt, password string) (Progress, error) { panic("todo") }
func (s *Service) Code(ctx context.Context, c Client, attempt string, m Method, code string) (Progress, error) { panic("todo") }
func (s *Service) ConfirmEnrollment(ctx context.Context, c Client, attempt, code string) (Progress, error) { panic("todo") }
func (s *Service) SavedCodes(ctx context.Context, c Client, attempt string) (Progress, error) { panic("todo") }
func (s *Service) Attempt(ctx context.Context, attempt string) (AttemptView, error) { panic("todo") }
func (s *Service) StepUp(ctx context.Context, c Client, session string, need Requirement, returnTo string) (Progress, error) { panic("todo") }
func (s *Service) SignOut(ctx context.Context, c Client, session string) error { panic("todo") }
func (s *Service) Link(ctx context.Context, token string) (Link, error) { panic("todo") }
func (s *Service) Setup(ctx context.Context, c Client, token string, name, password string) (Progress, error) { panic("todo") }
func (s *Service) AcceptInvite(ctx context.Context, c Client, token, password string) (Progress, error) { panic("todo") }
func (s *Service) Reenroll(ctx context.Context, c Client, token, password string) (Progress, error) { panic("todo") }
func (s *Service) Account(ctx context.Context, userID string) (UserDetail, error) { panic("todo") }
func (s *Service) Users(ctx context.Context) ([]User, error) { panic("todo") }
func (s *Service) User(ctx context.Context, name string) (UserDetail, error) { panic("todo") }
func (s *Service) AddUser(ctx context.Context, c Client, in NewUser) (u User, invite string, err error) { panic("todo") }
func (s *Service) SetDisabled(ctx context.Context, c Client, name string, disabled bool) error { panic("todo") }
func (s *Service) DeleteUser(ctx context.Context, c Client, name string) error { panic("todo") }
func (s *Service) ResetTwoFactor(ctx context.Context, c Client, name string) (link string, err error) { panic("todo") }
func (s *Service) Unlock(ctx context.Context, c Client, name string) error { panic("todo") }
func (s *Service) Sessions(ctx context.Context, name string) ([]SessionInfo, error) { panic("todo") }
func (s *Service) RevokeSession(ctx context.Context, c Client, id string) error { panic("todo") }
func (s *Service) RevokeSessions(ctx context.Context, c Client, name string) (int, error) { panic("todo") }
func (s *Service) NewSetupLink(ctx context.Context) (token string, err error) { panic("todo") }
func (s *Service) Events(ctx context.Context, user string, fn func(Event) error) error { panic("todo") }
