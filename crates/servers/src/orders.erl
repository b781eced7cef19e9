%% Evaluated inside a RabbitMQ node: takes orders over loopback, a line each. It spares a tool
%% that starts a virtual machine of its own, and so a second or two, for each order.

Host = fun(Name) ->
    All = <<".*">>,
    ok = rabbit_vhost:add(Name, <<"test">>),
    ok = rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, All, All, All, <<"test">>)
end,

Close = fun(Name) ->
    Is = fun(Pid) ->
        %% One that is still being opened, or has just gone, has no virtual host to tell.
        try rabbit_networking:connection_info(Pid, [vhost]) =:= [{vhost, Name}]
        catch _:_ -> false
        end
    end,
    Found = [Pid || Pid <- rabbit_networking:connections(), Is(Pid)],
    [rabbit_networking:close_connection(Pid, "by order") || Pid <- Found],
    true = Found =/= []
end,

Obey = fun(Client) ->
    case gen_tcp:recv(Client, 0) of
        {ok, <<"host ", Name/binary>>} -> Host(string:trim(Name));
        {ok, <<"close ", Name/binary>>} -> Close(string:trim(Name))
    end,
    gen_tcp:send(Client, "done\n"),
    gen_tcp:close(Client)
end,

Serve = fun(Serve, Socket) ->
    {ok, Client} = gen_tcp:accept(Socket),
    %% A client that says nothing sensible breaks only its own connection.
    catch Obey(Client),
    Serve(Serve, Socket)
end,

spawn(fun() ->
    ok = rabbit:await_startup(),
    {ok, [[Port]]} = init:get_argument(orders),
    Options = [binary, {packet, line}, {active, false}, {reuseaddr, true}, {ip, {127, 0, 0, 1}}],
    {ok, Socket} = gen_tcp:listen(list_to_integer(Port), Options),
    Serve(Serve, Socket)
end).
