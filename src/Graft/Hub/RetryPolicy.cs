using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Graft.Hub;

/// <summary>Tries again after a <see cref="TransientFault"/>, with exponentially growing waits and jitter, or when the server says.</summary>
internal sealed class RetryPolicy
{
    private readonly DownloadOptions _options;
    private readonly ResiliencePipeline _pipeline;

    internal RetryPolicy(DownloadOptions options)
    {
        _options = options;
        var builder = new ResiliencePipelineBuilder { TimeProvider = options.Time };
        if (options.Retries > 0)
        {
            builder.AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<TransientFault>(f => !(f.RetryAfter > options.LongestRetryAfter)),
                MaxRetryAttempts = options.Retries,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = options.FirstDelay,
                MaxDelay = options.LongestDelay,
                DelayGenerator = attempt => ValueTask.FromResult((attempt.Outcome.Exception as TransientFault)?.RetryAfter),
                OnRetry = attempt =>
                {
                    options.Logger.LogInformation(
                        "{Fault}: trying again in {Seconds:0.#} s.", attempt.Outcome.Exception?.Message, attempt.RetryDelay.TotalSeconds);
                    return default;
                },
            });
        }

        _pipeline = builder.Build();
    }

    /// <summary>Runs an action until it succeeds, or fails for good.</summary>
    /// <param name="what">What it does, for the message.</param>
    /// <param name="action">The action.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="GraftException">It failed too often, or the server asks for too long a wait.</exception>
    internal async Task<T> RunAsync<T>(string what, Func<CancellationToken, Task<T>> action, CancellationToken cancellationToken)
    {
        try
        {
            return await _pipeline.ExecuteAsync(async token => await action(token).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        }
        catch (TransientFault e) when (e.RetryAfter > _options.LongestRetryAfter)
        {
            throw new GraftException($"{what} failed: {e.Message} and asks to wait {e.RetryAfter.Value.TotalMinutes:0} minutes; try again then.", e);
        }
        catch (TransientFault e)
        {
            throw new GraftException($"{what} failed after {_options.Retries + 1} attempts: {e.Message}; try again later.", e);
        }
    }
}
